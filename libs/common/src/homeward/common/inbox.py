"""Which events a consumer has handled; in the same transaction as their effect."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import inbox

_CLAIM = sa.text(
    "INSERT INTO inbox (consumer, event_id) SELECT :consumer, unnest(CAST(:ids AS uuid[])) "
    "ON CONFLICT DO NOTHING RETURNING event_id"
)


async def claim(db: AsyncConnection, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those of ``event_ids`` that ``consumer`` had not handled, marked as handled now.

    Waits for another transaction that is handling one of them (a zombie after a rebalance). The
    rows are written in one order, so that two such transactions cannot deadlock.
    """
    if not event_ids:
        return set()
    claimed = await db.execute(_CLAIM, {"consumer": consumer, "ids": sorted(set(event_ids))})
    return set(claimed.scalars())


async def handled(db: AsyncConnection, consumer: str) -> int:
    """How many events ``consumer`` has handled."""
    counted = sa.select(sa.func.count()).select_from(inbox).where(inbox.c.consumer == consumer)
    return int((await db.execute(counted)).scalar_one())
