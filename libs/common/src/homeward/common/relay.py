"""The relay: numbers what the outbox holds, gaplessly, and publishes it.

It takes unnumbered rows, never `id > last_seen`: ids commit out of order and rows would vanish
(kamu-cli #1398, eventuous #222). The numbers are committed before anything is sent, so what is sent
again after a crash carries the same number; the watermark moves only when all is known to be there.
"""

import asyncio
import logging

import sqlalchemy as sa

from .db import is_transient
from .leadership import Leadership
from .metrics import RELAY_PUBLISHED, RELAY_SEQUENCE
from .parts import Service
from .restoring import SHARD, Number, read_again, record_of
from .tables import outbox
from .tx import OUTBOX_CHANNEL

log = logging.getLogger(__name__)
BATCH = 1_000
GATHER = 0.05
"""Seconds in which events gather after a batch that was not full."""

# Two statements, so that the second sees what another relay did while the first waited for it: one
# that was cut off may be at it still.
_LOCK = sa.text("SELECT epoch, numbered, published FROM relay_state WHERE shard = :shard FOR UPDATE")
_NUMBER = sa.text("""
    WITH state AS (SELECT epoch, numbered FROM relay_state WHERE shard = :shard),
    next AS (SELECT position, row_number() OVER (ORDER BY position) AS n
             FROM outbox WHERE sequence IS NULL ORDER BY position LIMIT :batch),
    given AS (UPDATE outbox o SET epoch = state.epoch, sequence = state.numbered + next.n
              FROM next, state WHERE o.position = next.position RETURNING o.*),
    counted AS (UPDATE relay_state
                SET numbered = numbered + (SELECT count(*) FROM given), published = :published
                WHERE shard = :shard AND (published < :published OR EXISTS (SELECT FROM given)))
    SELECT * FROM given ORDER BY sequence
""")


class SetBack(ConnectionError):
    """The database knows less than was sent from it. As after a lost connection, the relay begins anew."""


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
            state = (await db.execute(_LOCK, {"shard": SHARD})).first()
            if state is None:
                return 0
            if self._sent is not None and self._sent > (state.epoch, state.numbered):
                raise SetBack("the database was set back under its relay")
            published = self._watermark(state.epoch, state.published)
            if published < state.numbered:  # sent again, first
                rows = (await db.execute(_unpublished(state.epoch, published))).all()
            else:
                given = {"shard": SHARD, "batch": BATCH, "published": published}
                rows = (await db.execute(_NUMBER, given)).all()
        if not rows:
            return 0
        await self._broker.publish([record_of(row, self._name) for row in rows])
        self._sent = (rows[-1].epoch, rows[-1].sequence)
        RELAY_PUBLISHED.labels(self._name).inc(len(rows))
        RELAY_SEQUENCE.labels(self._name).set(rows[-1].sequence)
        return len(rows)

    def _watermark(self, epoch: int, published: int) -> int:
        """Where the watermark is to be."""
        # One that led before and does not know it yet may come here late: the watermark of another
        # epoch is not its to move, and none goes back.
        if self._sent is None or self._sent <= (epoch, published) or self._sent[0] != epoch:
            return published
        return self._sent[1]

    async def open_epoch(self) -> None:
        """Go on in the current epoch, or in a new one if the topic is ahead of this database: see
        :mod:`restoring`."""
        self._sent = None
        await read_again(self._service)


def _unpublished(epoch: int, published: int) -> "sa.Select[tuple[object, ...]]":
    # By values, in the index's own order: with a join to the watermark all of the outbox would be read.
    return (
        sa.select(outbox)
        .where(outbox.c.epoch == epoch, outbox.c.sequence > published)
        .order_by(outbox.c.epoch, outbox.c.sequence)
        .limit(BATCH)
    )
