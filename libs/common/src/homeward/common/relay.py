"""The relay: numbers what the outbox holds, gaplessly, and publishes it.

It takes unnumbered rows, never `id > last_seen`: ids commit out of order and rows would vanish
(kamu-cli #1398, eventuous #222). The numbers are committed before anything is sent, so what is sent
again after a crash carries the same number; the watermark moves only when all is known to be there.
"""

import asyncio
import logging

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .broker import Broker, TopicPartition
from .db import is_transient
from .envelope import Envelope, Malformed, topic_of
from .leadership import Leadership
from .metrics import RELAY_PUBLISHED, RELAY_SEQUENCE
from .tables import outbox, relay_state
from .tx import OUTBOX_CHANNEL

log = logging.getLogger(__name__)
BATCH = 1_000
SHARD = 0

_NUMBER = sa.text("""
    WITH state AS (SELECT epoch, numbered FROM relay_state WHERE shard = :shard FOR UPDATE),
    next AS (SELECT position, row_number() OVER (ORDER BY position) AS n
             FROM outbox WHERE sequence IS NULL ORDER BY position LIMIT :batch),
    given AS (UPDATE outbox o SET epoch = state.epoch, sequence = state.numbered + next.n
              FROM next, state WHERE o.position = next.position RETURNING 1)
    UPDATE relay_state SET numbered = numbered + (SELECT count(*) FROM given)
    WHERE shard = :shard
""")


class Relay:
    """One service's relay; of several processes one leads and the others wait to follow it."""

    def __init__(self, service: str, engine: AsyncEngine, broker: Broker, *, direct_url: str) -> None:
        self._service = service
        self._engine = engine
        self._broker = broker
        self._direct_url = direct_url

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until ``stop``; what is away for a while (database, broker) is waited for."""
        while not stop.is_set():
            try:
                async with Leadership(
                    self._direct_url, f"homeward relay {self._service}", channel=OUTBOX_CHANNEL
                ) as leadership:
                    await self._lead(leadership, stop)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("relay waits: %s", type(error).__name__)
                await asyncio.sleep(0.5)

    async def _lead(self, leadership: Leadership, stop: asyncio.Event) -> None:
        while not stop.is_set() and not leadership.held:
            if await leadership.acquire(1.0):
                await self.open_epoch()
                log.info("relay leads")
        while not stop.is_set() and leadership.held:
            leadership.heard.clear()
            if not await self.step():
                await leadership.hear(0.5)

    async def step(self) -> int:
        """Number and publish one batch; how many were published."""
        async with self._engine.begin() as db:
            await db.execute(_NUMBER, {"shard": SHARD, "batch": BATCH})
        async with self._engine.connect() as db:
            rows = (await db.execute(_unpublished())).all()
        if not rows:
            return 0
        await self._broker.publish([self._envelope(row).record(row.value) for row in rows])
        async with self._engine.begin() as db:
            last = rows[-1].sequence
            await db.execute(
                sa.update(relay_state)
                .where(relay_state.c.shard == SHARD, relay_state.c.published < last)
                .values(published=last)
            )
        RELAY_PUBLISHED.labels(self._service).inc(len(rows))
        RELAY_SEQUENCE.labels(self._service).set(last)
        return len(rows)

    async def open_epoch(self) -> None:
        """Go on in the current epoch, or in a new one if the topic is ahead of this database.

        A topic that is ahead means that an older database was restored: numbers it would give now
        have been given already, so it starts a new source instead, and says so.
        """
        seen_epoch, seen_sequence = await self._topic_tail()
        async with self._engine.begin() as db:
            state = await self._state(db)
            if (seen_epoch, seen_sequence) > (state.epoch, state.numbered):
                log.error(
                    "topic is ahead of this database (a restore?): new epoch",
                    extra={"epoch": seen_epoch + 1, "topic_sequence": seen_sequence, "ours": state.numbered},
                )
                await db.execute(
                    sa.update(relay_state)
                    .where(relay_state.c.shard == SHARD)
                    .values(epoch=seen_epoch + 1, numbered=0, published=0)
                )

    async def _state(self, db: AsyncConnection) -> "sa.Row[tuple[int, int, int, int]]":
        await db.execute(
            sa.text("INSERT INTO relay_state VALUES (:shard, 1, 0, 0) ON CONFLICT DO NOTHING"),
            {"shard": SHARD},
        )
        return (await db.execute(sa.select(relay_state).where(relay_state.c.shard == SHARD))).one()

    async def _topic_tail(self) -> tuple[int, int]:
        """The newest (epoch, sequence) of ours on the topic; (0, 0) if there is none."""
        newest = (0, 0)
        for at, end in (await self._broker.end_positions([topic_of(self._service)])).items():
            newest = max(newest, await self._partition_tail(at, end))
        return newest

    async def _partition_tail(self, at: TopicPartition, end: int) -> tuple[int, int]:
        newest = (0, 0)
        for record in await self._broker.read(at, max(end - 1, 0), 1) if end else []:
            try:
                envelope = Envelope.of(record)
            except Malformed:
                continue
            _, root, service, shard, epoch = envelope.source.split("/")
            if (root, service, shard) == ("homeward", self._service, str(SHARD)):
                newest = max(newest, (int(epoch), envelope.sequence))
        return newest

    def _envelope(self, row: "sa.Row[tuple[object, ...]]") -> Envelope:
        return Envelope(
            id=row.id,
            source=f"/homeward/{self._service}/{SHARD}/{row.epoch}",
            type=row.type,
            subject=row.stream,
            time=row.time,
            sequence=row.sequence,
            actor=row.actor,
            traceparent=row.traceparent,
        )


def _unpublished() -> "sa.Select[tuple[object, ...]]":
    state = sa.select(relay_state).where(relay_state.c.shard == SHARD).subquery()
    return (
        sa.select(outbox)
        .join(state, sa.and_(outbox.c.epoch == state.c.epoch, outbox.c.sequence > state.c.published))
        .order_by(outbox.c.sequence)
        .limit(BATCH)
    )
