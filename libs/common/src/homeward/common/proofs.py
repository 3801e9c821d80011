"""Each proof of possession is good once: kept in the service's database, which its replicas share."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .dpop import KEPT, Proof
from .tables import used_proofs

# One statement is the whole transaction, and its commit waits for no disk and no standby: the nonce makes a
# proof worthless within minutes, and a crash forgets those of its last fraction of a second.
_USE = sa.text(
    "INSERT INTO used_proofs (id, expires_at) SELECT :id, :expires_at "
    "FROM set_config('synchronous_commit', 'off', true) ON CONFLICT DO NOTHING RETURNING true"
).bindparams(sa.bindparam("expires_at", type_=sa.DateTime(timezone=True)))
_FORGET_EVERY = 256


class UsedProofs:
    """The proofs that were used."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._uses = count(1)

    async def use(self, proof: Proof, now: datetime) -> bool:
        """Use ``proof`` up; False if it was used before."""
        async with self._engine.connect() as db:
            used = await db.scalar(_USE, _row(proof, now))
            if next(self._uses) % _FORGET_EVERY == 0:
                await forget(db, now, 2 * _FORGET_EVERY)
        return bool(used)


async def use_within(db: AsyncConnection, proof: Proof, now: datetime) -> bool:
    """As :meth:`UsedProofs.use`, in a transaction that is under way."""
    statement = insert(used_proofs).values(_row(proof, now)).on_conflict_do_nothing()
    return (await db.execute(statement.returning(used_proofs.c.id))).first() is not None


async def forget(db: AsyncConnection, now: datetime, most: int) -> None:
    """Delete proofs that would be refused for their age: so many that they do not pile up, so few that
    nobody waits for it."""
    oldest = sa.select(used_proofs.c.id).where(used_proofs.c.expires_at < now)
    oldest = oldest.order_by(used_proofs.c.expires_at).limit(most)
    await db.execute(sa.delete(used_proofs).where(used_proofs.c.id.in_(oldest)))


def _row(proof: Proof, now: datetime) -> dict[str, Any]:
    return {"id": proof.id, "expires_at": now + timedelta(seconds=KEPT)}
