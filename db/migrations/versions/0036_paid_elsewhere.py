"""Money that goes back without us: by hand at the provider, through the buyer's bank, in the organiser's own way."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# Empty in every row there is: no old one can break the checks.
REFUNDS = """
ALTER TABLE refunds
    ADD COLUMN paid_elsewhere text,
    ADD COLUMN paid_by text,
    ADD COLUMN paid_note text,
    ADD CONSTRAINT ck_refunds_paid_elsewhere CHECK (
        paid_elsewhere IS NULL
        OR (paid_elsewhere IN ('provider', 'dispute', 'outside') AND state = 'succeeded' AND provider_refund_id IS NULL
            AND paid_by IS NOT NULL AND paid_note IS NOT NULL))"""
# What the provider says was given back in all; `refunds_told_at`: it told of more than we know of, and is to be asked.
PAYMENTS = """
ALTER TABLE payments
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunds_told_at timestamptz"""
TOLD = "CREATE INDEX payments_told ON payments (refunds_told_at) WHERE refunds_told_at IS NOT NULL"


def upgrade() -> None:
    for statement in (REFUNDS, PAYMENTS, TOLD):
        op.execute(statement)
