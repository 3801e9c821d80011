"""Persons, reports, links, statuses; the matching index."""

from alembic import op

from homeward.common.tables import create_runtime_tables
from homeward.verification import matching_index as index
from homeward.verification.store import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables of the first release."""
    create_runtime_tables(op.get_bind())
    metadata.create_all(op.get_bind())
    made = index.create_statements(index.INDEX) + index.index_statements(index.INDEX)
    for statement in made + index.WHOLE_STATEMENTS + index.LEFTOVER_STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """There is nothing before the first release."""
