"""Proofs of possession that were used, and partners' requests by the minute."""

from alembic import op

from homeward.common.tables import create_arrival_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their tables."""
    create_arrival_tables(op.get_bind())


def downgrade() -> None:
    """Forget them."""
    op.drop_table("used_proofs")
    op.drop_table("quotas")
