"""The notes."""

from alembic import op

from homeward.common.tables import create_runtime_tables
from homeward.tiny.app import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    create_runtime_tables(op.get_bind())
    metadata.create_all(op.get_bind())
