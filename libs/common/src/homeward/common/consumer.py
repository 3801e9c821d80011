"""The consumer: batches of records become effects, each exactly once, in order per stream.

One poll is one transaction: the inbox rows in one statement, the keys of all subjects in one call,
the handlers in order, the outbox rows in one insert, one commit, then the offsets. A batch that fails
is halved until the one poison record stands alone, and only that is set aside. What passes by itself
(a deadlock, a lost connection, the keyring away) is waited for in place and never set aside.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from time import perf_counter

from opentelemetry.trace import SpanKind
from sqlalchemy.ext.asyncio import AsyncConnection

from . import dead_letters as letters
from . import inbox
from .broker import BrokerUnavailable, Positions, Subscription, TopicPartition, behind
from .contracts import Event, SubjectErased
from .db import each_alone, is_transient
from .envelope import Envelope, Received, topics_of
from .logs import where
from .metrics import BATCH_SECONDS, CONSUMED, DEAD_LETTERS
from .parts import Service
from .restoring import until_read_again
from .telemetry import span
from .tx import Incoming, Tx

log = logging.getLogger(__name__)
BATCH = 500
GATHER = 0.05
"""Seconds in which records gather after a batch that was not full: a transaction for each event would take
the machine's time from those who hand events in."""


class Consumer:
    """One member of a service's group."""

    def __init__(self, service: Service, *, batch: int = BATCH) -> None:
        self._service = service
        self._parts = service.parts
        self._each_alone = each_alone(service.parts.engine)
        self._contracts: dict[str, type[Event]] = {c.TYPE: c for c in service.consumers}
        self._batch = batch
        self._stopped = True
        """Whether some stream may be stopped by a letter; only then is it worth asking after each batch."""

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop``; a broker or database that is away is waited for."""
        topics = topics_of(self._service.consumers)
        pause = 0.1
        while not stop.is_set():
            try:
                await self._catch_up(await self._parts.broker.committed(self._service.name, topics), stop)
                async with (
                    self._parts.broker.subscribe(self._service.name, topics) as subscription,
                    aclosing(_Offsets(subscription)) as offsets,
                    aclosing(self._polled(subscription, stop)) as polled,
                ):
                    async for records in polled:
                        await self._step(records, offsets, stop)
                        pause = 0.1
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("consumer waits: %s", type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 3.0)

    async def _polled(
        self, subscription: Subscription, stop: asyncio.Event
    ) -> AsyncGenerator[Sequence[Received], None]:
        """Polls until ``stop``. While there is a backlog, the next is on its way as the last is handled;
        otherwise records gather for a moment after each."""
        coming = asyncio.ensure_future(subscription.poll(self._batch, 0.5))
        try:
            while not stop.is_set():
                records = await coming
                if backlog := len(records) == self._batch:
                    coming = asyncio.ensure_future(subscription.poll(self._batch, 0.5))
                yield records
                if not backlog:
                    await asyncio.sleep(GATHER if records else 0)
                    coming = asyncio.ensure_future(subscription.poll(self._batch, 0.5))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _step(self, records: Sequence[Received], offsets: "_Offsets", stop: asyncio.Event) -> None:
        if records:
            await self._catch_up(_firsts(records), stop)
            with BATCH_SECONDS.labels(self._service.name).time():
                await self._handle_patiently(records)
            await offsets.commit(records)
        else:
            await offsets.taken()
        if self._stopped or not records:
            while await self._replay_due():
                pass

    async def _catch_up(self, ends: Positions, stop: asyncio.Event) -> None:
        """Handle what comes before ``ends``, if this database has not: it may be older than the broker's
        account of it (a restore). Then the relay has to read our own events again first, or what was
        done once would be done twice."""
        async with self._each_alone.connect() as db:
            done = dict(await inbox.positions(db, self._service.name))
        if not behind(ends, done):
            return
        await until_read_again(self._parts, stop)
        for at, end in ends.items():
            while not stop.is_set() and (start := done.get(at, 0)) < end:
                records = await self._parts.broker.read(at, start, min(self._batch, end - start))
                if not records:
                    raise BrokerUnavailable("records that were committed are not there")
                await self._handle_patiently(records)
                done[at] = records[-1].offset + 1

    async def _handle_patiently(self, records: Sequence[Received]) -> None:
        """Handle, waiting in place for what passes by itself: order is kept, nothing set aside."""
        pause, started = 0.05, perf_counter()
        while True:
            try:
                return await self.handle(records)
            except Exception as error:
                if not is_transient(error) or perf_counter() - started > 120:
                    raise
                log.warning("batch waits: %s", where(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def handle(self, records: Sequence[Received]) -> None:
        """Each record's effect, or a dead letter; transient errors pass through."""
        try:
            async with self._parts.engine.connect() as db:
                async with db.begin():
                    tx = await self._process(db, records)
                await tx.wake_relay()
        except Exception as error:
            if is_transient(error):
                raise
            if len(records) > 1:
                half = len(records) // 2
                await self.handle(records[:half])
                await self.handle(records[half:])
            else:
                await self._set_aside(records[0], error)

    async def _process(self, db: AsyncConnection, records: Sequence[Received], *, replay: bool = False) -> Tx:
        tx = Tx(
            db, self._parts.clock(), self._service.name, f"service:{self._service.name}", self._parts.keyring
        )
        flowing = records if replay else await self._park(tx, records)
        envelopes = [(Envelope.of(record), record) for record in flowing]
        ours = {e.id: (e, r) for e, r in envelopes if e.type in self._contracts}  # each id once
        fresh = await inbox.claim(db, self._service.name, list(ours), () if replay else records)
        batch = await self._open([pair for event_id, pair in ours.items() if event_id in fresh], tx)
        await self._service.prepare(batch, tx)
        for incoming in batch:
            await self._dispatch(incoming, tx)
        tx.incoming = None
        for name, count in Counter(incoming.envelope.type for incoming in batch).items():
            CONSUMED.labels(self._service.name, name).inc(count)
        await self._service.finish(tx)
        await tx.flush()
        return tx

    async def _park(self, tx: Tx, records: Sequence[Received]) -> list[Received]:
        """Set aside what waits behind an open letter of its stream; the rest."""
        stopped = await letters.stopped_streams(tx.db, self._service.name)
        self._stopped = bool(stopped)
        flowing = []
        for record in records:
            if (record.topic, letters.stream_of(record)) not in stopped:
                flowing.append(record)
            elif await letters.set_aside(tx.db, self._service.name, record, letters.PARKED, None, tx.now):
                DEAD_LETTERS.labels(self._service.name, letters.PARKED).inc()
        return flowing

    async def _open(self, fresh: Sequence[tuple[Envelope, Received]], tx: Tx) -> list[Incoming]:
        batch = await tx.open([(envelope, record.value) for envelope, record in fresh], self._contracts)
        for incoming in batch:
            if isinstance(incoming.event, SubjectErased):
                self._parts.keyring.forget(incoming.event.subjects)
        return batch

    async def _dispatch(self, incoming: Incoming, tx: Tx) -> None:
        tx.incoming = incoming
        contract = type(incoming.event)
        with span(f"{self._service.name} {contract.TYPE}", SpanKind.CONSUMER, incoming.envelope.traceparent):
            await self._service.consumers[contract](incoming.event, tx)

    async def _set_aside(self, record: Received, error: Exception) -> None:
        self._stopped = True
        async with self._parts.engine.begin() as db:
            now = self._parts.clock()
            await inbox.claim(db, self._service.name, (), [record])
            if await letters.set_aside(db, self._service.name, record, letters.POISON, where(error), now):
                DEAD_LETTERS.labels(self._service.name, letters.POISON).inc()
                place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                log.error("record set aside: %s", where(error), extra=place)

    async def _replay_due(self) -> bool:
        """Try one letter that may be tried again; whether there was one."""
        letter: letters.Letter | None = None
        try:
            async with self._parts.engine.begin() as db:
                letter = await letters.next_due(db, self._service.name)
                if letter is None:
                    return False
                at = TopicPartition(letter.topic, letter.partition)
                records = await self._parts.broker.read(at, letter.offset, 1)
                if [record.offset for record in records] != [letter.offset]:
                    raise LookupError("the record is gone from its topic")
                await self._process(db, records, replay=True)
                await letters.mark(db, letter.id, letters.DONE)
        except Exception as error:
            if letter is None or is_transient(error):
                raise
            async with self._parts.engine.begin() as db:
                await letters.mark(db, letter.id, letters.POISON, where(error))
            log.exception("retry of a dead letter failed", extra={"letter": letter.id})
        return True


class _Offsets:
    """Offsets of what is handled, on their way while the next batch is being handled: what dies with the
    process comes again, and the inbox knows it."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._under_way: asyncio.Future[None] | None = None

    async def commit(self, records: Sequence[Received]) -> None:
        """Begin to commit these, once those before are taken; as :meth:`.Subscription.commit`."""
        await self.taken()
        self._under_way = asyncio.ensure_future(self._subscription.commit(records))

    async def taken(self) -> None:
        """Wait until none are on their way; as :meth:`.Subscription.commit`."""
        if self._under_way:
            await self._under_way

    async def aclose(self) -> None:
        """Wait for the last."""
        if self._under_way:
            await asyncio.gather(self._under_way, return_exceptions=True)


def _firsts(records: Sequence[Received]) -> Positions:
    """Where these begin in each partition."""
    firsts: dict[TopicPartition, int] = {}
    for record in records:
        firsts.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    return firsts
