"""Proofs of possession that were used, partners' requests by the minute, who need not make any proofs, and
several keys a client."""

import sqlalchemy as sa
from alembic import op

from homeward.common import jose
from homeward.common.tables import create_arrival_tables
from homeward.exchange.store.tables import client_keys

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; whoever could ask for tokens before need not prove possession until told to."""
    db = op.get_bind()
    create_arrival_tables(db)
    client_keys.create(db, checkfirst=True)
    if "jwk" not in {column["name"] for column in sa.inspect(db).get_columns("clients")}:
        return
    op.execute("ALTER TABLE clients ADD dpop text NOT NULL DEFAULT 'optional'")
    op.execute("ALTER TABLE clients ALTER dpop SET DEFAULT 'required'")
    for client_id, jwk in db.execute(sa.text("SELECT client_id, jwk FROM clients")).all():
        row = {"client_id": client_id, "kid": jose.thumbprint(jwk), "jwk": jwk, "since": sa.func.now()}
        db.execute(sa.insert(client_keys).values(row))
    op.drop_column("clients", "jwk")


def downgrade() -> None:
    """There is no way back: a client may have several keys."""
    raise NotImplementedError
