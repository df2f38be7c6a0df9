"""An event whose queue numbers are drawn at the opening: what was announced, and what came of it."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# One row makes the event's queue a draw. What is drawn is not stored: it follows from the key.
DRAWS = """
CREATE TABLE draws (
    event_id bigint NOT NULL CONSTRAINT fk_draws_event_id_events REFERENCES events,
    seed bytea NOT NULL,
    seed_hash text NOT NULL,
    beacon_name text NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint,
    closed_at timestamptz,
    beacon_value text,
    without_beacon boolean NOT NULL DEFAULT false,
    key bytea,
    held_at timestamptz,
    CONSTRAINT pk_draws PRIMARY KEY (event_id),
    CONSTRAINT ck_draws_seed CHECK (octet_length(seed) = 32 AND seed_hash = encode(sha256(seed), 'hex')),
    CONSTRAINT ck_draws_closed CHECK ((size IS NULL) = (closed_at IS NULL) AND size >= 0),
    CONSTRAINT ck_draws_held CHECK ((key IS NULL) = (held_at IS NULL) AND (key IS NULL OR octet_length(key) = 32)),
    -- A beacon counts only after the entries were closed: until then its value would let somebody choose the size.
    CONSTRAINT ck_draws_beacon_after_closing CHECK (beacon_value IS NULL OR size IS NOT NULL AND beacon_name <> ''),
    CONSTRAINT ck_draws_ready CHECK (key IS NULL OR size IS NOT NULL
                                     AND (beacon_name = '' OR without_beacon OR beacon_value IS NOT NULL))
)"""

# Whatever code runs: the seed is the one announced, and a draw that was held stays as it is.
SETTLED = """
CREATE FUNCTION draw_is_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.size IS NULL AND (TG_OP = 'DELETE' OR NEW.seed = OLD.seed) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' OR OLD.key IS NOT NULL OR NEW.seed <> OLD.seed OR NEW.size IS DISTINCT FROM OLD.size
       OR NEW.beacon_name <> OLD.beacon_name OR NEW.event_id <> OLD.event_id THEN
        RAISE EXCEPTION 'the draw of event % is settled', OLD.event_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$"""
TRIGGER = """
CREATE TRIGGER draw_is_settled BEFORE UPDATE OR DELETE ON draws
    FOR EACH ROW EXECUTE FUNCTION draw_is_settled()"""


def upgrade() -> None:
    for statement in (DRAWS, SETTLED, TRIGGER):
        op.execute(statement)
