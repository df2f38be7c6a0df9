"""The claimant of a payment's lease: leases of a worker that is gone are given back at once, not after a minute."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CLAIMED_BY = "ALTER TABLE bookings ADD COLUMN claimed_by bigint"


def upgrade() -> None:
    op.execute(CLAIMED_BY)
