"""Partners that try out and partners that leave, and the made-up people for the former."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = {
    "partners": (
        "sandbox boolean NOT NULL DEFAULT false", "leaving_since timestamptz", "left_at timestamptz",
        "left_event uuid",
    ),
    "persons": ("synthetic boolean NOT NULL DEFAULT false",),
}  # fmt: skip


def upgrade() -> None:
    """Add the columns: all partners there are, are live, and all people are real."""
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")


def downgrade() -> None:
    """There is no way back: made-up people would count as real."""
    raise NotImplementedError
