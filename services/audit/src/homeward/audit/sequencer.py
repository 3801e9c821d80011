"""The sequencer: everything that is published becomes entries of the log, once, in batches.

A batch is one transaction: entries, records, tiles and the signed checkpoint commit together, then the
offsets. Whoever extends the log holds its lock and starts from the newest checkpoint, whose signature and
root are checked against the tiles: the log continues what it signed, or it stands still.

Audit skips nothing. What passes by itself is waited for in place; at a record that cannot be read, or
that contradicts the log, it stops, says so, and tries again with growing pauses.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence

from asyncpg import UniqueViolationError
from prometheus_client import Gauge
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.broker import Subscription
from homeward.common.db import is_transient
from homeward.common.logs import where
from homeward.common.metrics import BATCH_SECONDS
from homeward.common.parts import Parts
from homeward.tlog import tiles
from homeward.tlog.checkpoint import Checkpoint, open_checkpoint
from homeward.tlog.merkle import leaf_hash
from homeward.tlog.note import NoteError, Signer, sign

from .domain import TOPICS, Entry, Stopped, entries_of, unknown
from .store import log as stored
from .store import records

log = logging.getLogger(__name__)
LOG_SIZE = Gauge("homeward_audit_log_size", "Entries under the newest checkpoint signed here")
BATCH = 1_000
GATHER = 0.2
"""Seconds in which records gather after a batch that was not full: each one rewrites tiles and signs."""
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_STOP = 0.1, 3.0, 60.0
"""Seconds between tries; the longest pause while something is away, and while the log stands still."""


class LogBroken(Stopped):
    """What is stored is not what the newest checkpoint says, or that one is not signed by our key."""


class Sequencer:
    """One of possibly several; the broker's group gives them records, the log's lock gives them turns."""

    def __init__(self, parts: Parts, signer: Signer) -> None:
        self._parts = parts
        self._signer = signer
        self._pause = FIRST_PAUSE
        self._stopped_by: str | None = None

    async def ready(self) -> str | None:
        """Why the log stands still; None when it does not."""
        return self._stopped_by

    async def run(self, stop: asyncio.Event) -> None:
        """Follow all topics until ``stop``, whatever goes wrong; raises nothing."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except Exception as error:
                if is_transient(error):
                    log.warning("sequencer waits: %s", where(error))
                    await self._wait(stop, LONGEST_PAUSE)
                    continue
                # Leaving the group lets a replica with newer code, which may know better, have a try.
                reason = error if isinstance(error, Stopped) else where(error)
                self._stopped_by = f"the log stands still: {reason}"
                log.error(self._stopped_by)
                await self._wait(stop, LONGEST_STOP)

    async def sequence(self, entries: Sequence[Entry]) -> int:
        """Add those of ``entries`` that the log lacks, in one transaction; the log's size after it.

        Raises Stopped, and the database's errors; then nothing was added.
        """
        try:
            async with self._parts.engine.begin() as db:
                size = await self._extend(db, entries)
        except (IntegrityError, UniqueViolationError):
            raise LogBroken("there are rows beyond the newest checkpoint") from None
        LOG_SIZE.set(size)
        return size

    async def _follow(self, stop: asyncio.Event) -> None:
        await self._parts.broker.ensure_topics(TOPICS)
        async with self._parts.broker.subscribe(self._parts.name, TOPICS) as subscription:
            while not stop.is_set():
                if 0 < await self._step(subscription, stop) < BATCH:
                    await _sleep(stop, GATHER)

    async def _step(self, subscription: Subscription, stop: asyncio.Event) -> int:
        received = await subscription.poll(BATCH, 0.5)
        entries, unreadable = entries_of(received)
        if entries:
            if not await self._sequence_patiently(entries, stop):
                return 0
            await subscription.commit(received[: len(entries)])
        if unreadable:
            raise unreadable
        if entries:
            self._pause, self._stopped_by = FIRST_PAUSE, None
        return len(entries)

    async def _sequence_patiently(self, entries: Sequence[Entry], stop: asyncio.Event) -> bool:
        """Sequence, waiting in place for what passes by itself; False if ``stop`` came first."""
        while not stop.is_set():
            try:
                with BATCH_SECONDS.labels(self._parts.name).time():
                    await self.sequence(entries)
                return True
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("batch waits: %s", where(error))
                await self._wait(stop, LONGEST_PAUSE)
        return False

    async def _extend(self, db: AsyncConnection, entries: Sequence[Entry]) -> int:
        await stored.lock(db)
        size, edge = await self._state(db)
        fresh = unknown(entries, await records.known(db, entries))
        if not fresh:
            return size
        leaves = [entry.leaf for entry in fresh]
        written = tiles.append(size, [leaf_hash(leaf) for leaf in leaves], _reader(edge))
        await stored.add_entries(db, size, leaves)
        await records.add(db, size, fresh)
        await stored.put_tiles(db, written)
        size += len(fresh)
        edge |= {(tile.level, tile.index): tile.data for tile in written}
        checkpoint = Checkpoint(self._signer.verifier_key.name, size, tiles.root(size, _reader(edge)))
        await stored.add_checkpoint(db, size, sign(checkpoint.format(), [self._signer]), self._parts.clock())
        return size

    async def _state(self, db: AsyncConnection) -> tuple[int, dict[tuple[int, int], bytes]]:
        """The log's size and its partial tiles, as the newest checkpoint vouches for them."""
        newest = await stored.newest_checkpoint(db)
        if newest is None:
            return 0, {}
        try:
            checkpoint, _ = open_checkpoint(newest[1], self._signer.verifier_key)
        except NoteError:
            raise LogBroken("the newest checkpoint is not of this origin, signed by this key") from None
        edge = await stored.tiles_at(db, tiles.edge(checkpoint.size))
        try:
            root = tiles.root(checkpoint.size, _reader(edge))
        except (KeyError, ValueError):
            root = b""
        if root != checkpoint.root:
            raise LogBroken("the stored tiles do not have the newest checkpoint's root")
        return checkpoint.size, edge

    async def _wait(self, stop: asyncio.Event, longest: float) -> None:
        await _sleep(stop, self._pause)
        self._pause = min(self._pause * 2, longest)


def _reader(known: Mapping[tuple[int, int], bytes]) -> tiles.ReadTile:
    return lambda level, index: known[level, index]


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond ``stop``."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
