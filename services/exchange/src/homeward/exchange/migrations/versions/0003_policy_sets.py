"""Policy sets with their texts, which an operator may activate; how far deciding again has got; releases by
their ids; what is to be acknowledged."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = {
    "policy_sets": (
        "texts jsonb", "origin text NOT NULL DEFAULT 'release'", "reason text", "activated_by text",
    ),
    "sweeps": ("decided bigint NOT NULL DEFAULT 0", "started_at timestamptz"),
}  # fmt: skip


def upgrade() -> None:
    """Add the columns; of the sets that were active before, the texts are in their releases."""
    op.execute("CREATE INDEX IF NOT EXISTS feed_to_acknowledge ON feed (agency, seq) WHERE kind <> 'release'")
    op.execute("CREATE INDEX IF NOT EXISTS feed_releases ON feed (release_id) WHERE kind = 'release'")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")


def downgrade() -> None:
    """There is no way back: an operator's policies would be forgotten."""
    raise NotImplementedError
