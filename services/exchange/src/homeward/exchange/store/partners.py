"""The registry of partners and of the clients that may ask for tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain import Partner
from .tables import clients, partners, policy_sets, sweeps, used_assertions


def partner_of(row: sa.Row[Any]) -> Partner:
    """What policies know of the partner in a row."""
    return Partner(
        agency=row.agency,
        kind=row.kind,
        country=row.country,
        data_home=row.data_home,
        purposes=tuple(row.purposes),
        clearance=tuple(row.clearance),
        accredited=row.accredited,
        suspended=row.suspended,
        revision=row.revision,
    )


async def partner(db: AsyncConnection, agency: str) -> sa.Row[Any] | None:
    """One partner."""
    return (await db.execute(sa.select(partners).where(partners.c.agency == agency))).first()


async def all_partners(db: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """All partners, by id."""
    return (await db.execute(sa.select(partners).order_by(partners.c.agency))).all()


async def add_partner(db: AsyncConnection, row: Mapping[str, Any]) -> bool:
    """Register; False if the id is taken."""
    added = await db.execute(
        insert(partners).values(row).on_conflict_do_nothing().returning(partners.c.agency)
    )
    return added.first() is not None


async def set_suspended(db: AsyncConnection, agency: str, suspended: bool) -> sa.Row[Any] | None:
    """Suspend or resume; None if that changes nothing or there is no such partner."""
    changed = await db.execute(
        sa.update(partners)
        .where(partners.c.agency == agency, partners.c.suspended != suspended)
        .values(suspended=suspended, revision=partners.c.revision + 1)
        .returning(partners)
    )
    row: sa.Row[Any] | None = changed.first()
    return row


async def put_client(
    db: AsyncConnection, client_id: str, organisation: str, role: str, jwk: Mapping[str, Any]
) -> None:
    """Let a client ask for tokens by this key; a key it had before is good no longer."""
    row = {"client_id": client_id, "organisation": organisation, "role": role, "jwk": dict(jwk)}
    statement = insert(clients).values(row)
    await db.execute(statement.on_conflict_do_update(index_elements=["client_id"], set_=row))


async def client(db: AsyncConnection, client_id: str) -> sa.Row[Any] | None:
    """One client, and whether its organisation is a suspended partner."""
    found = await db.execute(
        sa.select(clients, sa.func.coalesce(partners.c.suspended, sa.false()).label("suspended"))
        .select_from(clients.outerjoin(partners, partners.c.agency == clients.c.organisation))
        .where(clients.c.client_id == client_id)
    )
    return found.first()


async def use_assertion(db: AsyncConnection, jti: str, expires_at: datetime, now: datetime) -> bool:
    """Mark an assertion as used; False if it was used before."""
    await db.execute(sa.delete(used_assertions).where(used_assertions.c.expires_at < now))
    row = {"jti": jti, "expires_at": expires_at}
    used = await db.execute(
        insert(used_assertions).values(row).on_conflict_do_nothing().returning(used_assertions.c.jti)
    )
    return used.first() is not None


async def active_policies(db: AsyncConnection) -> str | None:
    """The digest of the policy set activated last."""
    query = sa.select(policy_sets.c.digest).order_by(policy_sets.c.position.desc()).limit(1)
    return (await db.execute(query)).scalar()


async def activate_policies(db: AsyncConnection, digest: str, policies: Sequence[str], now: datetime) -> None:
    """Record that this set decides from now on."""
    await db.execute(sa.insert(policy_sets).values(digest=digest, policies=list(policies), activated_at=now))


async def start_sweep(db: AsyncConnection, reason: str) -> None:
    """Have everything decided again in the background."""
    await db.execute(sa.insert(sweeps).values(reason=reason))


async def next_sweep(db: AsyncConnection) -> sa.Row[Any] | None:
    """The oldest sweep under way, locked; None if there is none or another process has it."""
    query = sa.select(sweeps).where(~sweeps.c.done).order_by(sweeps.c.sweep_id).limit(1)
    return (await db.execute(query.with_for_update(skip_locked=True))).first()


async def advance_sweep(db: AsyncConnection, sweep_id: int, next_person: Any, *, done: bool) -> None:
    """How far a sweep has got."""
    await db.execute(
        sa.update(sweeps).where(sweeps.c.sweep_id == sweep_id).values(next_person=next_person, done=done)
    )
