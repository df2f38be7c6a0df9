"""Bookings: a request for tickets, and all that became of it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# No foreign key to events or buyers. Every insert would lock the one row of the event on sale, from all sides at
# once, and protects nothing that `accept` (which selects from events) and the id's own check do not.
BOOKINGS = """
CREATE TABLE bookings (
    event_id bigint NOT NULL,
    id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    number bigint NOT NULL,
    return_number bigint,
    state text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    wishes jsonb NOT NULL,
    payment_method text,
    tickets_wanted integer NOT NULL,
    tickets_taken integer NOT NULL DEFAULT 0,
    amount_minor bigint,
    currency text NOT NULL,
    admission_id text,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    hold_version integer,
    hold_until timestamptz,
    hold_extensions integer NOT NULL DEFAULT 0,
    voiding boolean NOT NULL DEFAULT false,
    reason text,
    batch_snapshot pg_snapshot,
    queued_xid xid8,
    claimed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    queued_at timestamptz,
    decided_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT pk_bookings PRIMARY KEY (event_id, id),
    CONSTRAINT uq_bookings_key UNIQUE (event_id, buyer_id, idempotency_key),
    CONSTRAINT ck_bookings_id_carries_event
        CHECK (substring(uuid_send(id) FROM 1 FOR 4) = substring(int8send(event_id) FROM 5 FOR 4)),
    CONSTRAINT ck_bookings_number CHECK (number > 0 AND (return_number IS NULL OR return_number > 0)),
    CONSTRAINT ck_bookings_tickets CHECK (tickets_wanted > 0 AND tickets_taken >= 0),
    CONSTRAINT ck_bookings_amount_minor CHECK (amount_minor >= 0),
    CONSTRAINT ck_bookings_hold_is_whole
        CHECK ((hold_version IS NULL) = (hold_until IS NULL) AND (hold_version IS NULL) = (amount_minor IS NULL)),
    CONSTRAINT ck_bookings_hold_is_there CHECK (hold_version IS NOT NULL OR state IN
        ('waiting', 'queued', 'sold_out', 'unavailable', 'cancelled', 'failed')),
    CONSTRAINT ck_bookings_decided CHECK (hold_version IS NULL OR decided_at IS NOT NULL)
) WITH (fillfactor = 60)"""

# One admission, one booking that is undecided or was given a hold; a refusal gives the admission back.
ADMISSION_INDEX = """
CREATE UNIQUE INDEX admission_index ON bookings (event_id, admission_id)
    WHERE admission_id IS NOT NULL AND (hold_version IS NOT NULL OR state IN ('waiting', 'queued'))"""
# What the lane reads, in the lane's order.
BOOKINGS_QUEUED = "CREATE INDEX bookings_queued ON bookings (event_id, number, created_at, id) WHERE state = 'queued'"
# Hands-free bookings whose turn may have come, by number and by return number.
BOOKINGS_WAITING = """
CREATE INDEX bookings_waiting ON bookings (event_id, number) WHERE state = 'waiting' AND return_number IS NULL"""
BOOKINGS_WAITING_AGAIN = """
CREATE INDEX bookings_waiting_again ON bookings (event_id, return_number)
    WHERE state = 'waiting' AND return_number IS NOT NULL"""
# What the sweeps look for, over all events.
BOOKINGS_BY_DEADLINE = """
CREATE INDEX bookings_by_deadline ON bookings (hold_until)
    WHERE state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed')"""
BOOKINGS_OF_BUYER = "CREATE INDEX bookings_of_buyer ON bookings (buyer_id, created_at)"


def upgrade() -> None:
    for statement in (
        BOOKINGS,
        ADMISSION_INDEX,
        BOOKINGS_QUEUED,
        BOOKINGS_WAITING,
        BOOKINGS_WAITING_AGAIN,
        BOOKINGS_BY_DEADLINE,
        BOOKINGS_OF_BUYER,
    ):
        op.execute(statement)
