"""The outbox of changes, for a server without logical decoding; empty until `onsale changes setup` chooses it."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# key: NULL when everything may have changed: a truncated table, or more rows in a statement than are worth naming.
# xid: by its transaction a row is read; ids are given out in another order than transactions commit in.
CHANGE_OUTBOX = """
CREATE TABLE change_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL,
    table_name text NOT NULL,
    key bigint,
    CONSTRAINT pk_change_outbox PRIMARY KEY (id)
)"""
BY_XID = "CREATE INDEX change_outbox_by_xid ON change_outbox (xid)"

# One row while the outbox is in use, none otherwise.
CHANGE_OUTBOX_POSITION = """
CREATE TABLE change_outbox_position (
    one_row boolean NOT NULL DEFAULT true,
    mark text NOT NULL,
    origin text NOT NULL,
    snapshot pg_snapshot NOT NULL,
    lsn bigint NOT NULL,
    rows_max bigint NOT NULL,
    reader text,
    reader_until timestamptz,
    CONSTRAINT pk_change_outbox_position PRIMARY KEY (one_row),
    CONSTRAINT ck_change_outbox_position_one_row CHECK (one_row)
)"""

# By statement: a change of ten thousand rows of one event is one row here. Who finds the outbox full writes nothing,
# and until its end keeps the reader from making room: so the reader finds it full as well, and makes everything anew.
PUT_IN_OUTBOX = """
CREATE FUNCTION change_is_put_in_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT %1$I AS key FROM fresh'
        WHEN 'DELETE' THEN 'SELECT %1$I AS key FROM stale'
        WHEN 'UPDATE' THEN 'SELECT %1$I AS key FROM fresh UNION SELECT %1$I FROM stale' END;
    keys bigint[];
BEGIN
    IF change_outbox_is_full() THEN
        PERFORM FROM change_outbox_position FOR SHARE;
        IF change_outbox_is_full() THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        keys := ARRAY[NULL];
    ELSE
        EXECUTE format('SELECT array_agg(DISTINCT key) FROM (' || changed || ') AS changed', TG_ARGV[0]) INTO keys;
        IF cardinality(keys) > 10000 THEN
            keys := ARRAY[NULL];
        END IF;
    END IF;
    INSERT INTO change_outbox (xid, table_name, key)
    SELECT pg_current_xact_id(), TG_TABLE_NAME, key FROM unnest(keys) AS key;
    RETURN NULL;
END $$"""
IS_FULL = """
CREATE FUNCTION change_outbox_is_full() RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT coalesce((SELECT max(id) FROM change_outbox) - (SELECT min(id) FROM change_outbox) + 1
                    >= (SELECT rows_max FROM change_outbox_position), false)
$$"""


def upgrade() -> None:
    for statement in (CHANGE_OUTBOX, BY_XID, CHANGE_OUTBOX_POSITION, IS_FULL, PUT_IN_OUTBOX):
        op.execute(statement)
