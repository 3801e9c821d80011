"""The relay: numbers what the outbox holds, gaplessly, and publishes it.

It takes unnumbered rows, never `id > last_seen`: ids commit out of order and rows would vanish
(kamu-cli #1398, eventuous #222). The numbers are committed before anything is sent, so what is sent
again after a crash carries the same number; the watermark moves only when all is known to be there.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .broker import Broker
from .db import is_transient
from .envelope import Envelope, Malformed, Received, topic_of
from .leadership import Leadership
from .metrics import RELAY_PUBLISHED, RELAY_SEQUENCE
from .tables import outbox, relay_state
from .tx import OUTBOX_CHANNEL

log = logging.getLogger(__name__)
BATCH = 1_000
SHARD = 0
Number = tuple[int, int]
"""Epoch and sequence."""

# Two statements, so that the second sees what another relay did while the first waited for it: one
# that was cut off may be at it still.
_LOCK = sa.text("SELECT FROM relay_state WHERE shard = :shard FOR UPDATE")
_NUMBER = sa.text("""
    WITH state AS (SELECT epoch, numbered FROM relay_state WHERE shard = :shard),
    next AS (SELECT position, row_number() OVER (ORDER BY position) AS n
             FROM outbox WHERE sequence IS NULL ORDER BY position LIMIT :batch),
    given AS (UPDATE outbox o SET epoch = state.epoch, sequence = state.numbered + next.n
              FROM next, state WHERE o.position = next.position RETURNING 1)
    UPDATE relay_state SET numbered = numbered + (SELECT count(*) FROM given)
    WHERE shard = :shard
""")
_ADOPT = sa.text("""
    UPDATE outbox o SET epoch = given.epoch, sequence = given.sequence
    FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS int[]), CAST(:sequences AS bigint[]))
         AS given (id, epoch, sequence)
    WHERE o.id = given.id AND o.sequence IS NULL
""")


class Relay:
    """One service's relay; of several processes one leads and the others wait to follow it."""

    def __init__(self, service: str, engine: AsyncEngine, broker: Broker, *, direct_url: str) -> None:
        self._service = service
        self._engine = engine
        self._broker = broker
        self._direct_url = direct_url
        self._sent: Number | None = None
        """The last one known to be on the topic; the next transaction moves the watermark there."""

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

    async def step(self, *, number: bool = True) -> int:
        """Number and publish one batch; how many were published. The watermark follows with the next
        step: until then a crash means that the batch is sent again, under the same numbers."""
        async with self._engine.begin() as db:
            await db.execute(_LOCK, {"shard": SHARD})
            await self._move_watermark(db)
            if number:
                await db.execute(_NUMBER, {"shard": SHARD, "batch": BATCH})
            rows = (await db.execute(_unpublished())).all()
        if not rows:
            return 0
        await self._broker.publish([self._envelope(row).record(row.value) for row in rows])
        self._sent = (rows[-1].epoch, rows[-1].sequence)
        RELAY_PUBLISHED.labels(self._service).inc(len(rows))
        RELAY_SEQUENCE.labels(self._service).set(rows[-1].sequence)
        return len(rows)

    async def _move_watermark(self, db: AsyncConnection) -> None:
        if self._sent is None:
            return
        # One that led before and does not know it yet may come here late: the watermark of another
        # epoch is not its to move, and none goes back.
        epoch, last = self._sent
        own = sa.and_(relay_state.c.shard == SHARD, relay_state.c.epoch == epoch)
        await db.execute(
            sa.update(relay_state).where(own, relay_state.c.published < last).values(published=last)
        )

    async def open_epoch(self) -> None:
        """Go on in the current epoch, or in a new one if the topic is ahead of this database.

        A topic that is ahead means that an older database was restored: numbers it would give now
        have been given already, so it starts a new source instead, and says so. What it still has of
        the old epoch keeps its number there: an event must not appear under two.
        """
        self._sent = None  # of a database that may not be the one it was
        newest = await self._topic_tail()
        async with self._engine.begin() as db:
            state = await self._state(db)
        ours = (state.epoch, state.numbered)
        if newest <= ours:
            return
        log.error(
            "topic is ahead of this database (a restore?): new epoch",
            extra={"epoch": newest[0] + 1, "topic_sequence": newest[1], "ours": state.numbered},
        )
        given = await self._given_after(ours)
        while await self.step(number=False):
            pass
        async with self._engine.begin() as db:
            numbers = list(given.values())
            await db.execute(
                _ADOPT,
                {"ids": list(given), "epochs": [e for e, _ in numbers], "sequences": [s for _, s in numbers]},
            )
            await db.execute(
                sa.update(relay_state)
                .where(relay_state.c.shard == SHARD, relay_state.c.epoch == state.epoch)
                .values(epoch=newest[0] + 1, numbered=0, published=0)
            )

    async def _state(self, db: AsyncConnection) -> "sa.Row[tuple[int, int, int, int]]":
        await db.execute(
            sa.text("INSERT INTO relay_state VALUES (:shard, 1, 0, 0) ON CONFLICT DO NOTHING"),
            {"shard": SHARD},
        )
        return (await db.execute(sa.select(relay_state).where(relay_state.c.shard == SHARD))).one()

    async def _topic_tail(self) -> Number:
        """The newest number of ours on the topic; (0, 0) if there is none."""
        newest = (0, 0)
        for at, end in (await self._broker.end_positions([topic_of(self._service)])).items():
            tail = await self._broker.read(at, end - 1, 1) if end else []
            newest = max([newest, *(number for _, number in self._ours(tail))])
        return newest

    async def _given_after(self, ours: Number) -> dict[UUID, Number]:
        """The events on the topic whose numbers come after ``ours``, with those numbers."""
        given: dict[UUID, Number] = {}
        for at, end in (await self._broker.end_positions([topic_of(self._service)])).items():
            while end:
                start = max(end - BATCH, 0)
                found = self._ours(await self._broker.read(at, start, end - start))
                given.update((event_id, number) for event_id, number in found if number > ours)
                # Some may have come again later, so a whole batch must be old before all the rest is.
                end = 0 if found and all(number <= ours for _, number in found) else start
        return given

    def _ours(self, records: Sequence[Received]) -> list[tuple[UUID, Number]]:
        """Event ids and numbers of the records that we published; whatever else is there is none of ours."""
        found = []
        for record in records:
            with suppress(Malformed):
                envelope = Envelope.of(record)
                if source := re.fullmatch(rf"/homeward/{self._service}/{SHARD}/([0-9]+)", envelope.source):
                    found.append((envelope.id, (int(source[1]), envelope.sequence)))
        return found

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
