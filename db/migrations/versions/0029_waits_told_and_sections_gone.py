"""What was told of the wait, a line now and then, so that it can be compared with what came; and when a section sold
out."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# `slot` counts time in steps: two processes that write at once write one line.
TOLD = """
CREATE TABLE waits_told (
    event_id bigint NOT NULL,
    slot bigint NOT NULL,
    at timestamptz NOT NULL,
    serving bigint NOT NULL,
    issued bigint NOT NULL,
    body jsonb NOT NULL,
    CONSTRAINT pk_waits_told PRIMARY KEY (event_id, slot),
    CONSTRAINT fk_waits_told_event FOREIGN KEY (event_id) REFERENCES events (id)
)"""
GONE = """
CREATE TABLE sections_gone (
    event_id bigint NOT NULL,
    section_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_sections_gone PRIMARY KEY (event_id, section_id),
    CONSTRAINT fk_sections_gone_event FOREIGN KEY (event_id) REFERENCES events (id)
)"""


def upgrade() -> None:
    for statement in (TOLD, GONE):
        op.execute(statement)
