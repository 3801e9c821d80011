"""Proofs of possession that were used."""

from alembic import op

from homeward.common.tables import create_used_proofs

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their table."""
    create_used_proofs(op.get_bind())


def downgrade() -> None:
    """Forget them."""
    op.drop_table("used_proofs")
