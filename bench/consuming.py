"""A consumer, referral's, on the embedded log, beside reading the same records and writing the same rows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from homeward.common.broker import Broker, Subscription
from homeward.common.consumer import BATCH, Consumer
from homeward.common.contracts import PersonRegistered
from homeward.common.envelope import Received, topic_of
from homeward.common.ids import new_id
from homeward.referral.app import create_service
from homeward.referral.settings import Settings

from .ground import OUTBOX, Ground, Row, batches, connection, copy, rows_of
from .pairs import Hop, Meter

INBOX = "consumer, event_id"
CASES = "case_id, person_id, case_status, search_status, opened_at"
_RECORDS = (
    'SELECT key, headers, value, "offset" FROM log_records WHERE topic = $1 AND partition = 0 '
    'AND "offset" >= $2 ORDER BY "offset" LIMIT $3'
)
_POSITION = (
    "INSERT INTO log_positions VALUES ('floor', $1, 0, $2) "
    'ON CONFLICT ("group", topic, partition) DO UPDATE SET "offset" = excluded."offset"'
)
Rows = Sequence[Row]


@asynccontextmanager
async def hop(ground: Ground) -> AsyncIterator[Hop]:
    """Registered persons become cases; floor: SELECT, COPY of inbox, cases and outbox, the position."""
    count = ground.count(3_000, 900)
    async with ground.world("consuming") as world, connection(world) as db:
        service = await world.start(create_service, Settings)
        events = [PersonRegistered(person_id=new_id(), report_id=new_id()) for _ in range(count)]
        await world.publish(*events)
        people = [str(event.person_id) for event in events]

        async def clear() -> None:
            await db.execute("TRUNCATE inbox, cases, referrals, log_positions")
            await db.execute("TRUNCATE outbox RESTART IDENTITY")
            service.parts.keyring.forget(people)

        async def ours(meter: Meter) -> None:
            await clear()
            counted = _Counted(world.broker, count, meter)
            consumer = Consumer(replace(service, parts=replace(service.parts, broker=counted)))
            await consumer.run(counted.enough)

        await ours(Meter())
        written = zip(
            batches(await rows_of(db, "inbox", INBOX, "event_id"), BATCH),
            batches(await rows_of(db, "cases", CASES, "case_id"), BATCH),
            batches(await rows_of(db, "outbox", OUTBOX, "position"), BATCH),
            strict=True,
        )
        rows = list(written)
        assert sum(len(cases) for _, cases, _ in rows) == count

        async def floor(meter: Meter) -> None:
            await clear()
            with meter:
                await _consume(db, rows)

        yield Hop("consumer", "events", count, ours, floor)


async def _consume(db: asyncpg.Connection, rows: Sequence[tuple[Rows, Rows, Rows]]) -> None:
    topic = topic_of(PersonRegistered.SERVICE or "")
    offset = 0
    for inbox, cases, outbox in rows:
        offset += len(await db.fetch(_RECORDS, topic, offset, BATCH))
        async with db.transaction():
            await copy(db, "inbox", INBOX, inbox)
            await copy(db, "cases", CASES, cases)
            await copy(db, "outbox", OUTBOX, outbox)
        await db.execute(_POSITION, topic, offset)


class _Counted:
    """A broker whose subscription says when so many records are committed; the meter runs meanwhile."""

    def __init__(self, inner: Broker, count: int, meter: Meter) -> None:
        self._inner = inner
        self._left = count
        self._meter = meter
        self.enough = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[str]) -> AsyncIterator[Subscription]:
        async with self._inner.subscribe(group, topics) as subscription:
            with self._meter:
                yield _CountedSubscription(subscription, self)

    def committed_now(self, count: int) -> None:
        self._left -= count
        if self._left <= 0:
            self.enough.set()


@dataclass(frozen=True)
class _CountedSubscription:
    inner: Subscription
    counted: _Counted

    async def poll(self, max_records: int, timeout: float) -> list[Received]:
        return await self.inner.poll(max_records, timeout)

    async def commit(self, records: Sequence[Received]) -> None:
        await self.inner.commit(records)
        self.counted.committed_now(len(records))
