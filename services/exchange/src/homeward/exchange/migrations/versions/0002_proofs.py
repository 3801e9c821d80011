"""Proofs of possession that were used, and who need not make any."""

from alembic import op

from homeward.common.tables import create_used_proofs

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; whoever could ask for tokens before need not prove possession until told to."""
    create_used_proofs(op.get_bind())
    op.execute("ALTER TABLE clients ADD COLUMN IF NOT EXISTS dpop text NOT NULL DEFAULT 'optional'")
    op.execute("ALTER TABLE clients ALTER dpop SET DEFAULT 'required'")


def downgrade() -> None:
    """Forget them."""
    op.drop_column("clients", "dpop")
    op.drop_table("used_proofs")
