"""The legal moves of a booking and its append-only history, both kept by triggers whatever the code does."""

from alembic import op

from onsale.db.states import FIRST, LEGAL_MOVES, NEW

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BOOKING_MOVES = """
CREATE TABLE booking_moves (
    from_state text NOT NULL,
    to_state text NOT NULL,
    CONSTRAINT pk_booking_moves PRIMARY KEY (from_state, to_state)
)"""

# The first move is from 'new'. A version is used once, so every change of state must count the version up.
BOOKING_HISTORY = """
CREATE TABLE booking_history (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    version integer NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text,
    CONSTRAINT pk_booking_history PRIMARY KEY (event_id, booking_id, version)
)"""

# By statement, not by row: a lane moves a hundred bookings at once. The look into booking_moves is not a foreign key,
# because a foreign key locks the one row that everybody's `held -> authorising` refers to, and locks shared by many
# are slow.
KEEP_HISTORY = """
CREATE FUNCTION booking_history_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    illegal record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT '{new}' AS from_state, fresh.state AS to_state, fresh.id INTO illegal FROM fresh
         WHERE NOT EXISTS (SELECT FROM booking_moves m WHERE m.from_state = '{new}' AND m.to_state = fresh.state)
         LIMIT 1;
        IF NOT FOUND THEN
            INSERT INTO booking_history (event_id, booking_id, version, from_state, to_state, reason)
            SELECT event_id, id, version, '{new}', state, reason FROM fresh;
        END IF;
    ELSE
        SELECT stale.state AS from_state, fresh.state AS to_state, fresh.id INTO illegal
          FROM stale JOIN fresh USING (event_id, id)
         WHERE stale.state <> fresh.state AND NOT EXISTS
               (SELECT FROM booking_moves m WHERE m.from_state = stale.state AND m.to_state = fresh.state) LIMIT 1;
        IF NOT FOUND THEN
            INSERT INTO booking_history (event_id, booking_id, version, from_state, to_state, reason)
            SELECT fresh.event_id, fresh.id, fresh.version, stale.state, fresh.state, fresh.reason
              FROM stale JOIN fresh USING (event_id, id) WHERE stale.state <> fresh.state;
        END IF;
    END IF;
    IF illegal.id IS NOT NULL THEN
        RAISE EXCEPTION 'booking % may not move from % to %', illegal.id, illegal.from_state, illegal.to_state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_moves', TABLE = 'bookings';
    END IF;
    RETURN NULL;
END $$"""
KEEP_HISTORY_OF_NEW = """
CREATE TRIGGER booking_is_new AFTER INSERT ON bookings
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION booking_history_is_kept()"""
KEEP_HISTORY_OF_MOVED = """
CREATE TRIGGER booking_moved AFTER UPDATE ON bookings
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION booking_history_is_kept()"""

APPEND_ONLY = """
CREATE FUNCTION is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$"""
HISTORY_IS_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON booking_history
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""

# History is what happened to a booking, so nobody but the trigger on bookings may write it.
HISTORY_IS_NOT_FORGED = """
CREATE TRIGGER written_by_moves BEFORE INSERT ON booking_history
    FOR EACH STATEMENT WHEN (pg_trigger_depth() < 1) EXECUTE FUNCTION is_append_only()"""


def upgrade() -> None:
    op.execute(BOOKING_MOVES)
    moves = {(NEW, first) for first in FIRST} | {(old, new) for old, after in LEGAL_MOVES.items() for new in after}
    op.execute("INSERT INTO booking_moves VALUES " + ", ".join(f"('{old}', '{new}')" for old, new in sorted(moves)))
    for statement in (
        BOOKING_HISTORY,
        KEEP_HISTORY.replace("{new}", NEW),
        KEEP_HISTORY_OF_NEW,
        KEEP_HISTORY_OF_MOVED,
        APPEND_ONLY,
        HISTORY_IS_APPEND_ONLY,
        HISTORY_IS_NOT_FORGED,
    ):
        op.execute(statement)
