"""How an event's rate follows its checkout and the organiser's ramp, and every rate that was in force by that."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# A table of its own: what changes every few seconds must not cost staff their `version` of the settings.
RATE_CONTROL = """
CREATE TABLE rate_control (
    event_id bigint NOT NULL,
    auto boolean NOT NULL DEFAULT false,
    ramp jsonb,
    ramp_from timestamptz,
    share_ppm integer NOT NULL DEFAULT 1000000,
    strain double precision NOT NULL DEFAULT 0,
    usual_paying double precision NOT NULL DEFAULT 0,
    looks integer NOT NULL DEFAULT 0,
    per_minute integer,
    because text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_rate_control PRIMARY KEY (event_id),
    CONSTRAINT fk_rate_control_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_rate_control_share_ppm CHECK (share_ppm BETWEEN 0 AND 1000000),
    CONSTRAINT ck_rate_control_per_minute CHECK (per_minute >= 0)
) WITH (fillfactor = 70)"""

RATE_STEPS = """
CREATE TABLE rate_steps (
    event_id bigint NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    per_minute integer,
    ceiling_per_minute integer NOT NULL,
    because text NOT NULL,
    CONSTRAINT pk_rate_steps PRIMARY KEY (event_id, version),
    CONSTRAINT fk_rate_steps_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_rate_steps_per_minute CHECK (per_minute >= 0)
)"""
RATE_STEPS_ARE_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rate_steps
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only()"""


def upgrade() -> None:
    for statement in (RATE_CONTROL, RATE_STEPS, RATE_STEPS_ARE_APPEND_ONLY):
        op.execute(statement)
