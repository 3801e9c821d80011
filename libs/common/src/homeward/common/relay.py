"""The relay: numbers what the outbox holds, gaplessly, and publishes it.

It takes unnumbered rows, never `id > last_seen`: ids commit out of order and rows would vanish
(kamu-cli #1398, eventuous #222). The numbers are committed before anything is sent, so what is sent
again after a crash carries the same number; the watermark moves only when all is known to be there.
"""

import asyncio
import logging

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .db import is_transient
from .leadership import Leadership
from .metrics import RELAY_PUBLISHED, RELAY_SEQUENCE
from .parts import Service
from .restoring import SHARD, Number, read_again, record_of
from .tables import outbox, relay_state
from .tx import OUTBOX_CHANNEL

log = logging.getLogger(__name__)
BATCH = 1_000
GATHER = 0.05
"""Seconds in which events gather after a batch that was not full."""

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


class Relay:
    """One service's relay; of several processes one leads and the others wait to follow it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._name = service.name
        self._engine = service.parts.engine
        self._broker = service.parts.broker
        self._direct_url = service.parts.settings.direct_database_url
        self._sent: Number | None = None
        """The last one known to be on the topic; the next transaction moves the watermark there."""

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until ``stop``; what is away for a while (database, broker) is waited for."""
        while not stop.is_set():
            try:
                async with Leadership(
                    self._direct_url, f"homeward relay {self._name}", channel=OUTBOX_CHANNEL
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
            sent = await self.step()
            if not sent:
                await leadership.hear(0.5)
            elif sent < BATCH:
                await asyncio.sleep(GATHER)

    async def step(self) -> int:
        """Number and publish one batch; how many were published. The watermark follows with the next
        step: until then a crash means that the batch is sent again, under the same numbers."""
        async with self._engine.begin() as db:
            await db.execute(_LOCK, {"shard": SHARD})
            await self._move_watermark(db)
            await db.execute(_NUMBER, {"shard": SHARD, "batch": BATCH})
            rows = (await db.execute(_unpublished())).all()
        if not rows:
            return 0
        await self._broker.publish([record_of(row, self._name) for row in rows])
        self._sent = (rows[-1].epoch, rows[-1].sequence)
        RELAY_PUBLISHED.labels(self._name).inc(len(rows))
        RELAY_SEQUENCE.labels(self._name).set(rows[-1].sequence)
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
        """Go on in the current epoch, or in a new one if the topic is ahead of this database: see
        :mod:`restoring`."""
        self._sent = None
        await read_again(self._service)


def _unpublished() -> "sa.Select[tuple[object, ...]]":
    state = sa.select(relay_state).where(relay_state.c.shard == SHARD).subquery()
    return (
        sa.select(outbox)
        .join(state, sa.and_(outbox.c.epoch == state.c.epoch, outbox.c.sequence > state.c.published))
        .order_by(outbox.c.sequence)
        .limit(BATCH)
    )
