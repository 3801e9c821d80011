"""Requests as they come: each proof of possession is good once, and a partner has so many requests a minute.
Both are kept in the service's database, which its replicas share, by one statement a request.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .db import each_alone
from .dpop import KEPT, Proof
from .tables import used_proofs

WINDOW = 60
"""Seconds for which requests are counted together."""
_FORGET_EVERY = 256

# One statement is the whole transaction, and its commit waits for no disk and no standby: the nonce makes a
# proof worthless within minutes, and a crash forgets those of its last fraction of a second. A replica
# whose clock is behind counts into the newer window.
_NOTE = """
    WITH proof AS (
        INSERT INTO used_proofs (id, expires_at)
        SELECT :id, :expires_at WHERE :id IS NOT NULL
        ON CONFLICT DO NOTHING RETURNING true
    ), counted AS (
        INSERT INTO quotas (client_id, window_number, used)
        SELECT :client_id, :window, 1 WHERE :counted
        ON CONFLICT (client_id) DO UPDATE SET
            window_number = greatest(quotas.window_number, :window),
            used = CASE WHEN quotas.window_number < :window THEN 1 ELSE quotas.used + 1 END
        RETURNING used
    )
    SELECT :id IS NULL OR EXISTS (SELECT FROM proof) AS fresh,
        coalesce((SELECT used FROM counted), 0) AS used,
        {revoked} AS revoked,
        set_config('synchronous_commit', 'off', true)
    """
_TYPES = (
    sa.bindparam("id", type_=sa.LargeBinary),
    sa.bindparam("expires_at", type_=sa.DateTime(timezone=True)),
    sa.bindparam("client_id", type_=sa.Text),
    sa.bindparam("counted", type_=sa.Boolean),
    sa.bindparam("window", type_=sa.BigInteger),
)


@dataclass(frozen=True)
class Arrived:
    """What is to be known of a request: whether its proof was never used before, the how many-th it is of
    its client's in this minute (0 if that is not counted), and whether the key by which its token was got
    is revoked."""

    fresh: bool
    used: int
    revoked: bool


@dataclass(frozen=True)
class Quota:
    """So many requests a minute; ``used`` of them, at ``now`` (Unix seconds)."""

    limit: int
    used: int
    now: float

    @property
    def resets_in(self) -> int:
        """Seconds until the next minute begins."""
        return max(1, int(WINDOW - self.now % WINDOW))

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 has them."""
        left = max(0, self.limit - self.used)
        return {
            "RateLimit-Policy": f'"partner";q={self.limit};w={WINDOW}',
            "RateLimit": f'"partner";r={left};t={self.resets_in}',
        }


class Arrivals:
    """The requests that came to a service. ``revoked`` is SQL that says of ``:client_id`` and ``:key``, the
    key by which a token was got, whether that is revoked: for a service whose database knows, so that it
    is so at once."""

    def __init__(self, engine: AsyncEngine, *, revoked: str | None = None) -> None:
        self._engine = each_alone(engine)
        self._knows_keys = revoked is not None
        types = [*_TYPES, sa.bindparam("key", type_=sa.Text)] if revoked else _TYPES
        self._note = sa.text(_NOTE.format(revoked=revoked or "false")).bindparams(*types)
        self._proofs = count(1)

    async def note(
        self, client_id: str, key: str | None, proof: Proof | None, *, counted: bool, now: datetime
    ) -> Arrived:
        """Use ``proof`` up, if there is one, and count the request, if it is to be."""
        if proof is None and not counted and not self._knows_keys:
            return Arrived(fresh=True, used=0, revoked=False)
        proven = {"id": None, "expires_at": None} if proof is None else _row(proof, now)
        asked = {"client_id": client_id, "counted": counted, "window": int(now.timestamp() // WINDOW)}
        known = {"key": key} if self._knows_keys else {}
        async with self._engine.connect() as db:
            row = (await db.execute(self._note, {**proven, **asked, **known})).one()
            if proof is not None and next(self._proofs) % _FORGET_EVERY == 0:
                await _forget(db, now, 2 * _FORGET_EVERY)
        return Arrived(row.fresh, row.used, row.revoked)


async def use_within(db: AsyncConnection, proof: Proof, now: datetime) -> bool:
    """Use ``proof`` up in a transaction that is under way; False if it was used before."""
    statement = insert(used_proofs).values(_row(proof, now)).on_conflict_do_nothing()
    return (await db.execute(statement.returning(used_proofs.c.id))).first() is not None


async def _forget(db: AsyncConnection, now: datetime, most: int) -> None:
    """Delete proofs that would be refused for their age: so many that they do not pile up, so few that
    nobody waits for it."""
    oldest = sa.select(used_proofs.c.id).where(used_proofs.c.expires_at < now)
    oldest = oldest.order_by(used_proofs.c.expires_at).limit(most)
    await db.execute(sa.delete(used_proofs).where(used_proofs.c.id.in_(oldest)))


def _row(proof: Proof, now: datetime) -> dict[str, Any]:
    return {"id": proof.id, "expires_at": now + timedelta(seconds=KEPT)}
