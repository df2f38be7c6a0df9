"""Which card the provider was asked about with an attempt, by its own id: the same that says which one paid."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# NULL: asked before this was written down, or never. A test card's name becomes an id of its own when it is used.
PROVIDER_METHOD = "ALTER TABLE payment_attempts ADD COLUMN provider_method text"


def upgrade() -> None:
    op.execute(PROVIDER_METHOD)
