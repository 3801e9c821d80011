"""Which events a consumer has handled, and how far it is; in the same transaction as their effect."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .broker import TopicPartition
from .envelope import Received
from .tables import inbox
from .tables import positions as positions_table

_CLAIM = sa.text("""
    WITH advanced AS (
        INSERT INTO inbox_positions AS p (consumer, topic, partition, next_offset)
        SELECT :consumer, * FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]),
                                        CAST(:offsets AS bigint[]))
        ON CONFLICT (consumer, topic, partition)
        DO UPDATE SET next_offset = greatest(p.next_offset, excluded.next_offset))
    INSERT INTO inbox (consumer, event_id) SELECT :consumer, unnest(CAST(:ids AS uuid[]))
    ON CONFLICT DO NOTHING RETURNING event_id
""")


async def claim(
    db: AsyncConnection, consumer: str, event_ids: Sequence[UUID], records: Sequence[Received]
) -> set[UUID]:
    """Those of ``event_ids`` that ``consumer`` had not handled, marked as handled now; and all up to
    ``records`` is handled, or set aside: a position never goes back.

    Waits for another transaction that is handling one of them (a zombie after a rebalance). The
    rows are written in one order, so that two such transactions cannot deadlock.
    """
    ends: dict[TopicPartition, int] = {}
    for record in records:
        at = TopicPartition(record.topic, record.partition)
        ends[at] = max(record.offset + 1, ends.get(at, 0))
    places = sorted(ends)
    claimed = await db.execute(
        _CLAIM,
        {
            "consumer": consumer,
            "ids": sorted(set(event_ids)),
            "topics": [at.topic for at in places],
            "partitions": [at.partition for at in places],
            "offsets": [ends[at] for at in places],
        },
    )
    return set(claimed.scalars())


async def positions(db: AsyncConnection, consumer: str) -> Mapping[TopicPartition, int]:
    """By partition, the first record that is not handled; 0 for those that are not here."""
    table = positions_table
    found = await db.execute(
        sa.select(table.c.topic, table.c.partition, table.c.next_offset).where(table.c.consumer == consumer)
    )
    return {TopicPartition(row.topic, row.partition): row.next_offset for row in found}


async def handled(db: AsyncConnection, consumer: str) -> int:
    """How many events ``consumer`` has handled."""
    counted = sa.select(sa.func.count()).select_from(inbox).where(inbox.c.consumer == consumer)
    return int((await db.execute(counted)).scalar_one())
