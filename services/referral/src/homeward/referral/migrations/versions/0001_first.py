"""Cases and referrals."""

from alembic import op

from homeward.common.tables import create_runtime_tables
from homeward.referral.store import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables of the first release."""
    create_runtime_tables(op.get_bind())
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """There is nothing before the first release."""
