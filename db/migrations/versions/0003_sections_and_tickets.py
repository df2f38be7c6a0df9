"""What is sold: sections and tickets, with a change counter for each section."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SECTIONS = """
CREATE TABLE sections (
    event_id bigint NOT NULL,
    id integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    price_minor bigint NOT NULL,
    capacity integer NOT NULL,
    map_x integer NOT NULL DEFAULT 0,
    map_y integer NOT NULL DEFAULT 0,
    map_w integer NOT NULL DEFAULT 0,
    map_h integer NOT NULL DEFAULT 0,
    CONSTRAINT pk_sections PRIMARY KEY (event_id, id),
    CONSTRAINT fk_sections_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_sections_kind CHECK (kind IN ('seated', 'general')),
    CONSTRAINT ck_sections_price_minor CHECK (price_minor >= 0),
    CONSTRAINT ck_sections_capacity CHECK (capacity >= 0)
)"""

# A unit of general admission is a row as well, so that overselling is a duplicate key and not a sum gone wrong. Half
# a page stays free, so that a hold and a sale find room beside the row. No index mentions state, held_until or
# booking_id: with one, each of the two updates in a ticket's life would write to every index of the table.
TICKETS = """
CREATE TABLE tickets (
    event_id bigint NOT NULL,
    id bigint NOT NULL,
    section_id integer NOT NULL,
    row_number integer,
    row_name text,
    seat_number integer,
    seat_name text,
    state text NOT NULL DEFAULT 'free',
    booking_id uuid,
    held_until timestamptz,
    version integer NOT NULL DEFAULT 0,
    CONSTRAINT pk_tickets PRIMARY KEY (event_id, id),
    CONSTRAINT uq_tickets_place UNIQUE (event_id, section_id, row_number, seat_number),
    CONSTRAINT fk_tickets_section FOREIGN KEY (event_id, section_id) REFERENCES sections (event_id, id),
    CONSTRAINT ck_tickets_id_carries_event CHECK (id >> 20 = event_id),
    CONSTRAINT ck_tickets_state CHECK (state IN ('free', 'held', 'sold')),
    CONSTRAINT ck_tickets_free_has_no_booking CHECK ((state = 'free') = (booking_id IS NULL)),
    CONSTRAINT ck_tickets_held_has_deadline CHECK ((state = 'held') = (held_until IS NOT NULL)),
    CONSTRAINT ck_tickets_row_and_seat CHECK ((row_number IS NULL) = (seat_number IS NULL))
) WITH (fillfactor = 50)"""

# Counts the changes of what is free in a section: whoever keeps free seats in memory sees here that they moved.
# Not a column of sections, which is read by everybody and should stay still.
SECTION_CHANGES = """
CREATE TABLE section_changes (
    event_id bigint NOT NULL,
    section_id integer NOT NULL,
    changes bigint NOT NULL DEFAULT 0,
    CONSTRAINT pk_section_changes PRIMARY KEY (event_id, section_id),
    CONSTRAINT fk_section_changes_section FOREIGN KEY (event_id, section_id)
        REFERENCES sections (event_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50)"""

COUNT_CHANGES = """
CREATE FUNCTION section_is_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO section_changes (event_id, section_id) SELECT event_id, id FROM fresh;
    RETURN NULL;
END $$"""
COUNT_CHANGES_OF_NEW_SECTIONS = """
CREATE TRIGGER section_is_counted AFTER INSERT ON sections
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION section_is_counted()"""


def upgrade() -> None:
    for statement in (SECTIONS, TICKETS, SECTION_CHANGES, COUNT_CHANGES, COUNT_CHANGES_OF_NEW_SECTIONS):
        op.execute(statement)
