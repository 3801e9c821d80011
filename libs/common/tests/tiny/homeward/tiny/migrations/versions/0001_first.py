"""The notes."""

from importlib import import_module

from alembic import op

from homeward.common.tables import create_runtime_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    create_runtime_tables(op.get_bind())
    import_module("homeward.tiny.app").metadata.create_all(op.get_bind())
