"""Whose number took which return number, and when: recovery gives the places back."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# Written by `onsale admit` with the joins, from the queue's own stream; append-only as they are.
RETURN_JOURNAL = """
CREATE TABLE return_journal (
    event_id bigint NOT NULL,
    return_number bigint NOT NULL,
    number bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_return_journal PRIMARY KEY (event_id, return_number),
    CONSTRAINT ck_return_journal_numbers CHECK (return_number > 0 AND number > 0)
)"""
APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON return_journal
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""


def upgrade() -> None:
    op.execute(RETURN_JOURNAL)
    op.execute(APPEND_ONLY)
