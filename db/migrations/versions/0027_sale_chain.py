"""The chained log of a sale: its lines and batches, how far it has read, and what it reads them from."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# Which transaction wrote a row, so that one that commits late is still new to a reader who remembers a snapshot. The
# default is no volatile one: rows that are there keep their place and share this migration's own.
WRITTEN_IN = """
ALTER TABLE {table} ADD COLUMN written_in bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)"""
# A summary for each 32 pages, not an entry for each row: writers of these tables are the ones who sell. Not
# CONCURRENTLY, as in 0014.
BY_WRITER = """
CREATE INDEX {table}_written ON {table} USING brin (written_in) WITH (pages_per_range = 32, autosummarize = on)"""
READ_FROM = ("booking_history", "captures", "admission_log", "sale_log")

# A refund's row changes; this is what became of it.
REFUND_HISTORY = """
CREATE TABLE refund_history (
    event_id bigint NOT NULL,
    refund_id uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_in bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    CONSTRAINT pk_refund_history PRIMARY KEY (event_id, refund_id, seq),
    CONSTRAINT fk_refund_history_refund_id_refunds FOREIGN KEY (refund_id) REFERENCES refunds (id)
)"""
KEEP_REFUNDS = """
CREATE FUNCTION refund_history_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state THEN
        INSERT INTO refund_history (event_id, refund_id, state) VALUES (NEW.event_id, NEW.id, NEW.state);
    END IF;
    RETURN NULL;
END $$"""
REFUND_MOVED = """
CREATE TRIGGER refund_moved AFTER INSERT OR UPDATE ON refunds
    FOR EACH ROW EXECUTE FUNCTION refund_history_is_kept()"""
# After the trigger, whose making waits for everybody who writes refunds.
REFUNDS_BEFORE = """
INSERT INTO refund_history (event_id, refund_id, state, at)
SELECT event_id, id, 'requested', requested_at FROM refunds
UNION ALL
SELECT event_id, id, state, coalesce(ended_at, requested_at) FROM refunds WHERE state <> 'requested'"""

# `id` and `number` name the row a line tells of; one row is one line, whoever runs twice.
LINES = """
CREATE TABLE sale_chain_lines (
    event_id bigint NOT NULL,
    position bigint NOT NULL,
    source text NOT NULL,
    id uuid NOT NULL,
    number bigint NOT NULL,
    line text NOT NULL,
    CONSTRAINT pk_sale_chain_lines PRIMARY KEY (event_id, position),
    CONSTRAINT uq_sale_chain_lines_row UNIQUE (event_id, source, id, number),
    CONSTRAINT ck_sale_chain_lines_position CHECK (position > 0),
    CONSTRAINT ck_sale_chain_lines_source CHECK (source IN ('move', 'capture', 'run', 'log', 'refund'))
)"""
# A batch fills its positions to the last, so nothing can be put into one that is closed.
BATCHES = """
CREATE TABLE sale_chain_batches (
    event_id bigint NOT NULL,
    seq bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    at text NOT NULL,
    marks text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT pk_sale_chain_batches PRIMARY KEY (event_id, seq),
    CONSTRAINT ck_sale_chain_batches_positions CHECK (seq > 0 AND first > 0 AND first <= last)
)"""
# With the key gone, nobody can say any more whose lines they were.
PSEUDONYMS = """
CREATE TABLE sale_chain_keys (
    event_id bigint NOT NULL,
    key bytea NOT NULL,
    CONSTRAINT pk_sale_chain_keys PRIMARY KEY (event_id)
)"""
READER = """
CREATE TABLE sale_chain_reader (
    one_row boolean NOT NULL DEFAULT true,
    seen pg_snapshot NOT NULL,
    origin text NOT NULL,
    CONSTRAINT pk_sale_chain_reader PRIMARY KEY (one_row),
    CONSTRAINT ck_sale_chain_reader_one_row CHECK (one_row)
)"""
# A report that somebody of the staff asked for: made by a worker, part by part, and kept until newer ones are there.
REPORTS = """
CREATE TABLE sale_reports (
    id uuid NOT NULL,
    event_id bigint NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'asked',
    attempt integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    lines_done bigint NOT NULL DEFAULT 0,
    lines_all bigint NOT NULL DEFAULT 0,
    head text,
    broken text,
    page text,
    why text,
    ended_at timestamptz,
    CONSTRAINT pk_sale_reports PRIMARY KEY (id),
    CONSTRAINT fk_sale_reports_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_sale_reports_state CHECK (state IN ('asked', 'making', 'ready', 'failed'))
)"""
ONE_AT_A_TIME = """
CREATE UNIQUE INDEX sale_reports_open ON sale_reports (event_id) WHERE state IN ('asked', 'making')"""
REPORTS_OF_EVENT = "CREATE INDEX sale_reports_of_event ON sale_reports (event_id, asked_at)"
REPORT_PARTS = """
CREATE TABLE sale_report_parts (
    report_id uuid NOT NULL,
    part integer NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT pk_sale_report_parts PRIMARY KEY (report_id, part),
    CONSTRAINT fk_sale_report_parts_report_id_sale_reports
        FOREIGN KEY (report_id) REFERENCES sale_reports (id) ON DELETE CASCADE
)"""
APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""


def upgrade() -> None:
    for table in READ_FROM:
        op.execute(WRITTEN_IN.format(table=table))
        op.execute(BY_WRITER.format(table=table))
    for statement in (
        REFUND_HISTORY,
        KEEP_REFUNDS,
        REFUND_MOVED,
        REFUNDS_BEFORE,
        BY_WRITER.format(table="refund_history"),
    ):
        op.execute(statement)
    for statement in (LINES, BATCHES, PSEUDONYMS, READER, REPORTS, ONE_AT_A_TIME, REPORTS_OF_EVENT, REPORT_PARTS):
        op.execute(statement)
    for table in ("refund_history", "sale_chain_lines", "sale_chain_batches"):
        op.execute(APPEND_ONLY.format(table=table))
