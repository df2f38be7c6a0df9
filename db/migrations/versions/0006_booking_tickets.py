"""Which booking has which tickets; at most one live sale per ticket, by the index that makes a double sale
impossible.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BOOKING_TICKETS = """
CREATE TABLE booking_tickets (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    ticket_id bigint NOT NULL,
    price_minor bigint NOT NULL,
    hold_version integer NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    CONSTRAINT pk_booking_tickets PRIMARY KEY (event_id, booking_id, ticket_id),
    CONSTRAINT fk_booking_tickets_ticket FOREIGN KEY (event_id, ticket_id) REFERENCES tickets (event_id, id),
    CONSTRAINT fk_booking_tickets_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_booking_tickets_price_minor CHECK (price_minor >= 0)
) WITH (fillfactor = 80)"""

SALE_INDEX = "CREATE UNIQUE INDEX sale_index ON booking_tickets (event_id, ticket_id) WHERE released_at IS NULL"


def upgrade() -> None:
    op.execute(BOOKING_TICKETS)
    op.execute(SALE_INDEX)
