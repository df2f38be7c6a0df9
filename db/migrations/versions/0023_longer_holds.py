"""How long tickets wait for a buyer who is away, and for a payment whose outcome comes later."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Defaults that are constants are not written into the rows, so each table is locked for a moment only.
AWAY = "ALTER TABLE events ADD COLUMN away_pay_seconds integer NOT NULL DEFAULT 1800"
AWAY_IS_POSITIVE = """
ALTER TABLE events ADD CONSTRAINT ck_events_away_pay_seconds CHECK (away_pay_seconds > 0) NOT VALID"""
AWAY_WAS_POSITIVE = "ALTER TABLE events VALIDATE CONSTRAINT ck_events_away_pay_seconds"
# NULL: its outcome is, or was, known at once.
PROCESSING = "ALTER TABLE payment_attempts ADD COLUMN processing_until timestamptz"


def upgrade() -> None:
    for statement in (AWAY, AWAY_IS_POSITIVE, AWAY_WAS_POSITIVE, PROCESSING):
        op.execute(statement)
