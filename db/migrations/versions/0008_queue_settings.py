"""What the organiser set for an event's queue, and the append-only log of the sale."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

QUEUE_SETTINGS = """
CREATE TABLE queue_settings (
    event_id bigint NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    phase text NOT NULL DEFAULT 'scheduled',
    opens_at timestamptz NOT NULL,
    rate_per_minute integer NOT NULL DEFAULT 600,
    max_active integer NOT NULL DEFAULT 1000,
    selling boolean NOT NULL DEFAULT true,
    reason text NOT NULL DEFAULT '',
    notice text NOT NULL DEFAULT '',
    enter_seconds integer NOT NULL DEFAULT 120,
    choose_seconds integer NOT NULL DEFAULT 600,
    pay_seconds integer NOT NULL DEFAULT 600,
    address_limit integer NOT NULL DEFAULT 0,
    handsfree_per_minute integer NOT NULL DEFAULT 6000,
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by text NOT NULL DEFAULT '',
    CONSTRAINT pk_queue_settings PRIMARY KEY (event_id),
    CONSTRAINT fk_queue_settings_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_queue_settings_phase CHECK (phase IN ('scheduled', 'pre_queue', 'open', 'paused', 'closed')),
    CONSTRAINT ck_queue_settings_rate_per_minute CHECK (rate_per_minute BETWEEN 0 AND 600000),
    CONSTRAINT ck_queue_settings_max_active CHECK (max_active BETWEEN 0 AND 1000000),
    CONSTRAINT ck_queue_settings_seconds
        CHECK (enter_seconds > 0 AND choose_seconds > 0 AND pay_seconds > 0),
    CONSTRAINT ck_queue_settings_limits CHECK (address_limit >= 0 AND handsfree_per_minute >= 0)
)"""

SALE_LOG = """
CREATE TABLE sale_log (
    event_id bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    kind text NOT NULL,
    body jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_sale_log PRIMARY KEY (event_id, seq),
    CONSTRAINT fk_sale_log_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_sale_log_seq CHECK (seq > 0)
)"""
SALE_LOG_IS_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sale_log
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""


def upgrade() -> None:
    for statement in (QUEUE_SETTINGS, SALE_LOG, SALE_LOG_IS_APPEND_ONLY):
        op.execute(statement)
