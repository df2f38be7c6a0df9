"""Refunds that succeeded are asked about again, at growing ages: a bank may send one back without our hearing of it."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

# `believed`: the last look is done. Of one that succeeded `due_at` is the next; an old one is looked at once, when its
# turn comes, and so is what the code of before ends meanwhile.
BELIEVED = "ALTER TABLE refunds ADD COLUMN believed boolean NOT NULL DEFAULT false"
TO_LOOK_AT = """
CREATE INDEX refunds_to_look_at ON refunds (due_at)
 WHERE state = 'succeeded' AND provider_refund_id IS NOT NULL AND NOT believed"""


def upgrade() -> None:
    for statement in (BELIEVED, TO_LOOK_AT):
        op.execute(statement)
