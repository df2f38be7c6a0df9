"""The Idempotency-Key of each card tried: a payment asked for twice is one attempt, also after a decline."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = "ALTER TABLE payment_attempts ADD COLUMN idempotency_key text"
KEYS = """
CREATE UNIQUE INDEX payment_attempt_keys ON payment_attempts (event_id, booking_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL"""


def upgrade() -> None:
    op.execute(KEY)
    op.execute(KEYS)
