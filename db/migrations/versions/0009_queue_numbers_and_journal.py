"""Numbers that no two buyers can have: reserved blocks, who joined, what was admitted, how far the queue was."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Blocks never overlap. One range per event on a single line of numbers, 2^31 apart, so that no extension is needed
# for the event.
NUMBER_BLOCKS = """
CREATE TABLE number_blocks (
    event_id bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    reserved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_number_blocks PRIMARY KEY (event_id, first),
    CONSTRAINT fk_number_blocks_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_number_blocks_numbers CHECK (first > 0 AND first <= last AND last < 2147483648),
    CONSTRAINT blocks_never_overlap
        EXCLUDE USING gist (int8range(((event_id - 1) << 31) + first, ((event_id - 1) << 31) + last, '[]') WITH &&)
)"""

JOIN_JOURNAL = """
CREATE TABLE join_journal (
    event_id bigint NOT NULL,
    number bigint NOT NULL,
    buyer_id uuid NOT NULL,
    joined_at timestamptz NOT NULL,
    CONSTRAINT pk_join_journal PRIMARY KEY (event_id, number),
    CONSTRAINT uq_join_journal_buyer UNIQUE (event_id, buyer_id),
    CONSTRAINT ck_join_journal_number CHECK (number > 0)
)"""
JOIN_JOURNAL_IS_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON join_journal
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""

ADMISSION_LOG = """
CREATE TABLE admission_log (
    event_id bigint NOT NULL,
    seq bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    return_first bigint NOT NULL,
    return_last bigint NOT NULL,
    admitted integer NOT NULL,
    passed jsonb NOT NULL DEFAULT '[]',
    at timestamptz NOT NULL,
    CONSTRAINT pk_admission_log PRIMARY KEY (event_id, seq),
    CONSTRAINT ck_admission_log_admitted CHECK (admitted >= 0)
)"""
ADMISSION_LOG_IS_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON admission_log
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""

QUEUE_CHECKPOINTS = """
CREATE TABLE queue_checkpoints (
    event_id bigint NOT NULL,
    serving bigint NOT NULL,
    return_serving bigint NOT NULL,
    issued bigint NOT NULL,
    return_issued bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT pk_queue_checkpoints PRIMARY KEY (event_id),
    CONSTRAINT ck_queue_checkpoints_numbers
        CHECK (serving >= 0 AND return_serving >= 0 AND issued >= 0 AND return_issued >= 0)
) WITH (fillfactor = 50)"""


def upgrade() -> None:
    for statement in (
        NUMBER_BLOCKS,
        JOIN_JOURNAL,
        JOIN_JOURNAL_IS_APPEND_ONLY,
        ADMISSION_LOG,
        ADMISSION_LOG_IS_APPEND_ONLY,
        QUEUE_CHECKPOINTS,
    ):
        op.execute(statement)
