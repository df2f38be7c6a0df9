"""Refunds, an organiser's rules for them, cancelled events, disputes, and tickets that were accepted at a door."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# The id is the key under which the provider is asked; `attempt` counts the asking that it has refused for good.
REFUNDS = """
CREATE TABLE refunds (
    id uuid NOT NULL,
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    tickets integer NOT NULL,
    amount_minor bigint NOT NULL,
    kept_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    state text NOT NULL DEFAULT 'requested',
    attempt integer NOT NULL DEFAULT 1,
    provider_refund_id text,
    why text,
    idempotency_key text,
    request_hash bytea,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CONSTRAINT pk_refunds PRIMARY KEY (id),
    CONSTRAINT uq_refunds_provider_refund_id UNIQUE (provider_refund_id),
    CONSTRAINT fk_refunds_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_refunds_amounts CHECK (amount_minor >= 0 AND kept_minor >= 0 AND tickets > 0 AND attempt > 0),
    CONSTRAINT ck_refunds_reason CHECK (reason IN ('buyer_cancelled', 'organiser', 'event_cancelled')),
    CONSTRAINT ck_refunds_state CHECK (state IN ('requested', 'sent', 'succeeded', 'failed'))
) WITH (fillfactor = 70)"""
REFUNDS_OPEN = "CREATE INDEX refunds_open ON refunds (due_at) WHERE state IN ('requested', 'sent', 'failed')"
REFUNDS_OF_BOOKING = "CREATE INDEX refunds_of_booking ON refunds (event_id, booking_id)"
REFUND_KEYS = """
CREATE UNIQUE INDEX refund_keys ON refunds (event_id, booking_id, idempotency_key) WHERE idempotency_key IS NOT NULL"""

# Both columns are empty in every row there is, so nothing is rewritten and no old row can break the checks. The last
# check says in the record itself that a ticket is either accepted at a door or given back.
VOIDED_OR_ACCEPTED = """
ALTER TABLE booking_tickets
    ADD COLUMN refund_id uuid,
    ADD COLUMN checked_in_at timestamptz,
    ADD CONSTRAINT fk_booking_tickets_refund FOREIGN KEY (refund_id) REFERENCES refunds (id),
    ADD CONSTRAINT ck_booking_tickets_refunded CHECK (refund_id IS NULL OR released_at IS NOT NULL),
    ADD CONSTRAINT ck_booking_tickets_checked_in CHECK (checked_in_at IS NULL OR released_at IS NULL)"""

# No row: a buyer cannot cancel what is paid.
REFUND_RULES = """
CREATE TABLE refund_rules (
    event_id bigint NOT NULL,
    cancel_until_hours integer NOT NULL,
    fee_minor bigint NOT NULL,
    fee_basis_points integer NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by text NOT NULL,
    CONSTRAINT pk_refund_rules PRIMARY KEY (event_id),
    CONSTRAINT fk_refund_rules_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_refund_rules_ranges
        CHECK (cancel_until_hours >= 0 AND fee_minor >= 0 AND fee_basis_points BETWEEN 0 AND 10000)
)"""

EVENT_CANCELLATIONS = """
CREATE TABLE event_cancellations (
    event_id bigint NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    CONSTRAINT pk_event_cancellations PRIMARY KEY (event_id),
    CONSTRAINT fk_event_cancellations_event_id_events FOREIGN KEY (event_id) REFERENCES events (id)
)"""

DISPUTES = """
CREATE TABLE disputes (
    id text NOT NULL,
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    CONSTRAINT pk_disputes PRIMARY KEY (id),
    CONSTRAINT fk_disputes_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id)
)"""
DISPUTES_OF_BOOKING = "CREATE INDEX disputes_of_booking ON disputes (event_id, booking_id)"

# Wider than before: what old code writes fits.
LETTER_KINDS = """
ALTER TABLE letters
    DROP CONSTRAINT ck_letters_kind,
    ADD CONSTRAINT ck_letters_kind CHECK (kind IN ('needs_buyer', 'tickets', 'event_cancelled', 'refunded'))"""


def upgrade() -> None:
    for statement in (
        REFUNDS,
        REFUNDS_OPEN,
        REFUNDS_OF_BOOKING,
        REFUND_KEYS,
        VOIDED_OR_ACCEPTED,
        REFUND_RULES,
        EVENT_CANCELLATIONS,
        DISPUTES,
        DISPUTES_OF_BOOKING,
        LETTER_KINDS,
    ):
        op.execute(statement)
