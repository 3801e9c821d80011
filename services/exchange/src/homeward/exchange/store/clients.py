"""The clients that may ask for tokens, and the keys by which they prove themselves.

A key that is revoked or replaced stays here with the time, so that its tokens can be refused, and it is
never taken again from a partner.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import client_keys, clients, partners, used_assertions

Jwk = Mapping[str, Any]
REVOKED = """EXISTS (
    SELECT FROM client_keys WHERE client_id = :client_id AND kid = :key AND revoked_at IS NOT NULL
)"""
"""Of a client and a key of its: as :class:`.Arrivals` asks."""
_GOOD = client_keys.c.revoked_at.is_(None)


async def add_client(db: AsyncConnection, client_id: str, organisation: str, role: str, dpop: str) -> bool:
    """Know a new client; False if there is a client or an organisation of that name already."""
    taken = sa.or_(clients.c.client_id == client_id, clients.c.organisation == organisation)
    if (await db.execute(sa.select(clients.c.client_id).where(taken))).first() is not None:
        return False
    row = {"client_id": client_id, "organisation": organisation, "role": role, "dpop": dpop}
    await db.execute(sa.insert(clients).values(row))
    return True


async def put_client(
    db: AsyncConnection, client_id: str, organisation: str, role: str, dpop: str | None = None
) -> None:
    """Have a client be known as this; ``dpop`` stays as it was, if not given."""
    row = {"client_id": client_id, "organisation": organisation, "role": role}
    row |= {"dpop": dpop} if dpop else {}
    statement = insert(clients).values(row)
    await db.execute(statement.on_conflict_do_update(index_elements=["client_id"], set_=row))


async def keep_staff(db: AsyncConnection, client_ids: Collection[str], now: datetime) -> None:
    """No client but partners and these may ask for tokens any more, or use those they have."""
    gone = sa.delete(clients).where(
        clients.c.role != "partner", clients.c.client_id.not_in(sorted(client_ids))
    )
    left = (await db.execute(gone.returning(clients.c.client_id))).scalars().all()
    await db.execute(
        sa.update(client_keys).where(client_keys.c.client_id.in_(left), _GOOD).values(revoked_at=now)
    )


async def client(db: AsyncConnection, client_id: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """One client, and whether its organisation is a suspended partner; ``lock`` it, to change its keys."""
    query = (
        sa.select(clients, sa.func.coalesce(partners.c.suspended, sa.false()).label("suspended"))
        .select_from(clients.outerjoin(partners, partners.c.agency == clients.c.organisation))
        .where(clients.c.client_id == client_id)
    )
    return (await db.execute(query.with_for_update(of=clients) if lock else query)).first()


async def keys(db: AsyncConnection, client_id: str) -> Sequence[sa.Row[Any]]:
    """All keys a client ever had, the newest first."""
    query = sa.select(client_keys).where(client_keys.c.client_id == client_id)
    return (await db.execute(query.order_by(client_keys.c.since.desc(), client_keys.c.kid))).all()


async def good_keys(db: AsyncConnection, client_id: str, now: datetime) -> Sequence[sa.Row[Any]]:
    """Those by which it may ask for tokens now."""
    return [key for key in await keys(db, client_id) if is_good(key, now)]


async def holder_of(db: AsyncConnection, kid: str, now: datetime) -> str | None:
    """Whose this credential is, if it is good."""
    good = sa.and_(_GOOD, sa.or_(client_keys.c.until.is_(None), client_keys.c.until > now))
    found: str | None = await db.scalar(
        sa.select(client_keys.c.client_id).where(client_keys.c.kid == kid, good)
    )
    return found


def is_good(key: sa.Row[Any], now: datetime) -> bool:
    """Whether tokens may be asked for by this key."""
    return key.revoked_at is None and (key.until is None or key.until > now)


async def add_key(
    db: AsyncConnection, client_id: str, kid: str, jwk: Jwk, now: datetime, *, others_until: datetime
) -> None:
    """Let a client prove itself by one more key; by its others for a while yet."""
    others = sa.update(client_keys).where(client_keys.c.client_id == client_id, _GOOD)
    await db.execute(others.where(client_keys.c.until.is_(None)).values(until=others_until))
    row = {"client_id": client_id, "kid": kid, "jwk": dict(jwk), "since": now}
    await db.execute(sa.insert(client_keys).values(row))


async def put_key(db: AsyncConnection, client_id: str, kid: str, jwk: Jwk, now: datetime) -> None:
    """Let a client prove itself by this key and no other; tokens got by its others are refused."""
    others = sa.update(client_keys).where(client_keys.c.client_id == client_id, _GOOD)
    await db.execute(others.where(client_keys.c.kid != kid).values(revoked_at=now))
    row = {"client_id": client_id, "kid": kid, "jwk": dict(jwk), "since": now}
    again = {"until": None, "revoked_at": None}
    statement = insert(client_keys).values(row)
    await db.execute(statement.on_conflict_do_update(index_elements=["client_id", "kid"], set_=again))


async def put_keys(db: AsyncConnection, client_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Have these be all the keys a client ever had."""
    await db.execute(sa.delete(client_keys).where(client_keys.c.client_id == client_id))
    if rows:
        await db.execute(sa.insert(client_keys), [{"client_id": client_id, **row} for row in rows])


async def revoke_key(db: AsyncConnection, client_id: str, kid: str, now: datetime) -> bool:
    """Refuse a key and every token got by it, from now on; False if that changes nothing."""
    this = sa.and_(client_keys.c.client_id == client_id, client_keys.c.kid == kid, _GOOD)
    revoked = sa.update(client_keys).where(this).values(revoked_at=now).returning(client_keys.c.kid)
    return (await db.execute(revoked)).first() is not None


async def revoke_keys(db: AsyncConnection, client_id: str, now: datetime) -> bool:
    """Refuse all keys of a client and every token got by them, from now on; False if it had none."""
    good = sa.update(client_keys).where(client_keys.c.client_id == client_id, _GOOD)
    return (await db.execute(good.values(revoked_at=now).returning(client_keys.c.kid))).first() is not None


async def refused_keys(db: AsyncConnection, since: datetime) -> tuple[list[str], list[str]]:
    """Keys whose tokens are refused: revoked after ``since`` (older tokens have ended by themselves), and
    those of suspended partners."""
    suspended = sa.and_(_GOOD, partners.c.suspended)
    found = await db.execute(
        sa.select(client_keys.c.kid, client_keys.c.revoked_at)
        .select_from(client_keys.outerjoin(partners, partners.c.agency == client_keys.c.client_id))
        .where(sa.or_(client_keys.c.revoked_at > since, suspended))
    )
    rows = sorted((row.kid, row.revoked_at is not None) for row in found)
    return [kid for kid, revoked in rows if revoked], [kid for kid, revoked in rows if not revoked]


async def use_assertion(db: AsyncConnection, jti: str, expires_at: datetime, now: datetime) -> bool:
    """Mark an assertion as used; False if it was used before."""
    await db.execute(sa.delete(used_assertions).where(used_assertions.c.expires_at < now))
    row = {"jti": jti, "expires_at": expires_at}
    used = await db.execute(
        insert(used_assertions).values(row).on_conflict_do_nothing().returning(used_assertions.c.jti)
    )
    return used.first() is not None
