"""Letters to buyers, written with the move they tell of, and how far each has got: the mail outbox."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# The unique key is what makes a step that runs twice write one letter.
LETTERS = """
CREATE TABLE letters (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    version integer NOT NULL DEFAULT 1,
    tries integer NOT NULL DEFAULT 0,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    why text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_letters PRIMARY KEY (id),
    CONSTRAINT uq_letters_booking_kind UNIQUE (event_id, booking_id, kind),
    CONSTRAINT fk_letters_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_letters_kind CHECK (kind IN ('needs_buyer', 'tickets')),
    CONSTRAINT ck_letters_state CHECK (state IN ('waiting', 'sending', 'sent', 'unclear', 'failed', 'dropped')),
    CONSTRAINT ck_letters_tries CHECK (tries >= 0)
) WITH (fillfactor = 70)"""
# What is to be done, by urgency; what was done is never looked through.
LETTERS_DUE = "CREATE INDEX letters_due ON letters (kind, due_at) WHERE state IN ('waiting', 'sending')"
# What an operator should see.
LETTERS_STUCK = "CREATE INDEX letters_stuck ON letters (updated_at) WHERE state IN ('unclear', 'failed')"


def upgrade() -> None:
    for statement in (LETTERS, LETTERS_DUE, LETTERS_STUCK):
        op.execute(statement)
