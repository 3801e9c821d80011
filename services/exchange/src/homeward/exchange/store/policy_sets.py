"""The policy sets that were ever activated."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import policy_sets

_NEWEST: sa.Select[Any] = sa.select(
    policy_sets.c.position, policy_sets.c.digest, policy_sets.c.origin
).order_by(policy_sets.c.position.desc())


async def newest(db: AsyncConnection) -> sa.Row[Any] | None:
    """Position, digest and origin of the set activated last."""
    row: sa.Row[Any] | None = (await db.execute(_NEWEST.limit(1))).first()
    return row


async def last_activation(db: AsyncConnection, digest: str | None = None) -> sa.Row[Any] | None:
    """The last time that a set was activated, this one if it is named."""
    query = sa.select(policy_sets).order_by(policy_sets.c.position.desc()).limit(1)
    if digest is not None:
        query = query.where(policy_sets.c.digest == digest)
    return (await db.execute(query)).first()


async def add(db: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Record that a set decides from now on."""
    await db.execute(sa.insert(policy_sets).values(dict(row)))
