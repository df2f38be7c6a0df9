"""One payment intent per booking, the cards tried, at most one capture, and the webhooks seen."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PAYMENTS = """
CREATE TABLE payments (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    intent_id text NOT NULL,
    client_secret text NOT NULL,
    status text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    captured_minor bigint NOT NULL DEFAULT 0,
    void_reason text,
    settled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_payments PRIMARY KEY (event_id, booking_id),
    CONSTRAINT uq_payments_intent_id UNIQUE (intent_id),
    CONSTRAINT fk_payments_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_payments_amounts CHECK (amount_minor >= 0 AND captured_minor BETWEEN 0 AND amount_minor)
) WITH (fillfactor = 70)"""
# Intents that may still hold money, or have taken it for nothing: what the reconciler looks through.
PAYMENTS_OPEN = "CREATE INDEX payments_open ON payments (updated_at) WHERE NOT settled"

PAYMENT_ATTEMPTS = """
CREATE TABLE payment_attempts (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    attempt integer NOT NULL,
    payment_method text NOT NULL,
    return_url text NOT NULL DEFAULT '',
    outcome text NOT NULL DEFAULT 'pending',
    decline_code text,
    message text,
    next_action_url text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_payment_attempts PRIMARY KEY (event_id, booking_id, attempt),
    CONSTRAINT fk_payment_attempts_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_payment_attempts_attempt CHECK (attempt > 0),
    CONSTRAINT ck_payment_attempts_outcome
        CHECK (outcome IN ('pending', 'requires_action', 'declined', 'authorised', 'abandoned'))
) WITH (fillfactor = 70)"""

# The primary key is the booking: a second capture has no row to live in.
CAPTURES = """
CREATE TABLE captures (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_captures PRIMARY KEY (event_id, booking_id),
    CONSTRAINT fk_captures_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_captures_amount_minor CHECK (amount_minor >= 0)
)"""
CAPTURES_ARE_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON captures
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""

WEBHOOK_EVENTS = """
CREATE TABLE webhook_events (
    id text NOT NULL,
    type text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_webhook_events PRIMARY KEY (id)
)"""


def upgrade() -> None:
    for statement in (
        PAYMENTS,
        PAYMENTS_OPEN,
        PAYMENT_ATTEMPTS,
        CAPTURES,
        CAPTURES_ARE_APPEND_ONLY,
        WEBHOOK_EVENTS,
    ):
        op.execute(statement)
