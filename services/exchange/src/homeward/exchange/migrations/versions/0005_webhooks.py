"""Where partners want to be told of events."""

from alembic import op

from homeward.exchange.store.tables import webhooks

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    webhooks.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Forget them."""
    webhooks.drop(op.get_bind())
