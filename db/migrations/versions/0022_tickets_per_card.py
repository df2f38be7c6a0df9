"""How many tickets of an event one card may pay for, and which card each attempt was made with."""

from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

# NULL: no limit. A default that is a constant is not written into the rows, so the table is locked for a moment only.
LIMIT = "ALTER TABLE events ADD COLUMN tickets_per_card integer"
LIMIT_IS_POSITIVE = """
ALTER TABLE events ADD CONSTRAINT ck_events_tickets_per_card CHECK (tickets_per_card > 0) NOT VALID"""
LIMIT_WAS_POSITIVE = "ALTER TABLE events VALIDATE CONSTRAINT ck_events_tickets_per_card"
CARD = "ALTER TABLE payment_attempts ADD COLUMN card_fingerprint text"
# Empty where no event has a limit: the card is asked for only then.
CARDS = """
CREATE INDEX payment_attempt_cards ON payment_attempts (event_id, card_fingerprint)
    WHERE card_fingerprint IS NOT NULL"""


def upgrade() -> None:
    for statement in (LIMIT, LIMIT_IS_POSITIVE, LIMIT_WAS_POSITIVE, CARD, CARDS):
        op.execute(statement)
