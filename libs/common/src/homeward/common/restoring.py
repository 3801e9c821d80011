"""A database that was restored from a backup is older than what its service has told others since.

The topic shows it: it is ahead of the database. Numbers that would be given next have been given
already, so the service goes on as a new source (a new epoch), and says so in the log and in an audited
event. Before that it reads again what it said after the backup: the events go back into the outbox
under the numbers they have, and the service's ``restores`` make of each the state it tells of. Others'
events, of which the backup knows nothing either, are handled again by the consumer: the positions it
kept in the same database say from where.

What the backup has numbered and the topic has not goes out under the number it has: an event must not
appear under two. What was committed after the backup and never published is lost: who was promised it
has a signed receipt, and where its number was given before, the log shows the gap.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .broker import Broker, TopicPartition
from .contracts import DatabaseRestored
from .db import copy_in, is_transient
from .envelope import Envelope, Malformed, Received, Record, topic_of
from .parts import Parts, Service
from .tables import outbox, relay_state
from .tx import Tx

log = logging.getLogger(__name__)
PAGE = 500
MOST_AGAIN = 10_000
"""Records of a partition looked at for the newest number, if some may have been sent again over it."""
SHARD = 0
Number = tuple[int, int]
"""Epoch and sequence."""

_ADOPT = sa.text("""
    UPDATE outbox o SET epoch = given.epoch, sequence = given.sequence
    FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS int[]), CAST(:sequences AS bigint[]))
         AS given (id, epoch, sequence)
    WHERE o.id = given.id AND o.sequence IS NULL
""")


class Said(NamedTuple):
    """An event of ours on the topic."""

    number: Number
    envelope: Envelope
    value: bytes


async def is_behind(parts: Parts) -> bool:
    """Whether the topic is ahead of the database: only the relay may work on it then."""
    newest = await _newest(parts)
    async with parts.engine.begin() as db:
        return newest > await _ours(db)


async def read_again(service: Service) -> int:
    """Bring a database that is older than its topic up to it, and open a new epoch; how many events were
    read again. All in one transaction: interrupted, it begins anew. For the relay that leads."""
    parts = service.parts
    newest = await _newest(parts)
    count = 0
    async with parts.engine.begin() as db:
        ours = await _ours(db)
        if newest <= ours:
            return 0
        log.error(
            "topic is ahead of this database (a restore?): new epoch",
            extra={"epoch": newest[0] + 1, "topic_sequence": newest[1], "ours": ours[1]},
        )
        tx = Tx(db, parts.clock(), parts.name, f"service:{parts.name}", parts.keyring)
        waiting = await _waiting(db)
        page: list[Said] = []
        async for said in OwnTopic(parts.name, parts.broker).after(
            min([ours, *((n[0], n[1] - 1) for n in waiting)])
        ):
            if waiting.pop(said.number, None) is None:
                page.append(said)
            if len(page) == PAGE:
                count += await _take_back(page, service, tx)
                page.clear()
        count += await _take_back(page, service, tx)
        await parts.broker.publish([record_of(row, parts.name) for row in waiting.values()])
        opened = sa.update(relay_state).where(relay_state.c.shard == SHARD)
        await db.execute(opened.values(epoch=newest[0] + 1, numbered=0, published=0))
        tx.emit(
            DatabaseRestored(
                service=parts.name, epoch=newest[0] + 1, last_sequence=newest[1], read_again=count
            )
        )
        await tx.flush()
    log.error("what this database had lost is read again", extra={"events": count})
    return count


async def _waiting(db: AsyncConnection) -> dict[Number, sa.Row[Any]]:
    """What has a number and, as far as the database knows, is not published."""
    rows = await db.execute(
        sa.select(outbox)
        .join(relay_state, sa.and_(outbox.c.epoch == relay_state.c.epoch, relay_state.c.shard == SHARD))
        .where(outbox.c.sequence > relay_state.c.published)
        .order_by(outbox.c.sequence)
    )
    return {(row.epoch, row.sequence): row for row in rows}


def record_of(row: sa.Row[Any], service: str) -> Record:
    """The record of a numbered row of the outbox."""
    envelope = Envelope(
        id=row.id,
        source=f"/homeward/{service}/{SHARD}/{row.epoch}",
        type=row.type,
        subject=row.stream,
        time=row.time,
        sequence=row.sequence,
        actor=row.actor,
        traceparent=row.traceparent,
    )
    return envelope.record(row.value)


async def _take_back(page: Sequence[Said], service: Service, tx: Tx) -> int:
    """Into the outbox with them, and into the service's state; how many the database had not."""
    ids = [said.envelope.id for said in page]
    numbers = {"epochs": [said.number[0] for said in page], "sequences": [said.number[1] for said in page]}
    await tx.db.execute(_ADOPT, {"ids": ids, **numbers})
    known = set(await tx.db.scalars(sa.select(outbox.c.id).where(outbox.c.id.in_(ids))))
    lost = [said for said in page if said.envelope.id not in known]
    await copy_in(tx.db, outbox, [_row(said) for said in lost])
    contracts = {contract.TYPE: contract for contract in service.restores}
    told = [(said.envelope, said.value) for said in lost if said.envelope.type in contracts]
    for incoming in await tx.open(told, contracts):
        tx.incoming = incoming
        await service.restores[type(incoming.event)](incoming.event, tx)
    tx.incoming = None
    return len(lost)


def _row(said: Said) -> dict[str, object]:
    envelope = said.envelope
    return {
        "id": envelope.id,
        "type": envelope.type,
        "stream": envelope.subject,
        "actor": envelope.actor,
        "traceparent": envelope.traceparent,
        "value": said.value,
        "time": envelope.time,
        "epoch": said.number[0],
        "sequence": said.number[1],
    }


async def _newest(parts: Parts) -> Number:
    """The newest number on the topic, which is its last: unless :func:`read_again` was cut off just after
    it sent what the topic had not, all of which the database takes to be unpublished."""
    async with parts.engine.connect() as db:
        waiting = await db.scalar(sa.select(relay_state.c.numbered - relay_state.c.published))
    return await OwnTopic(parts.name, parts.broker).newest(1 + max(0, min(waiting or 0, MOST_AGAIN)))


async def _ours(db: AsyncConnection) -> Number:
    """The last number given, as far as the database knows; nobody gives another meanwhile."""
    await db.execute(
        sa.text("INSERT INTO relay_state VALUES (:shard, 1, 0, 0) ON CONFLICT DO NOTHING"), {"shard": SHARD}
    )
    mine = sa.select(relay_state).where(relay_state.c.shard == SHARD)
    state = (await db.execute(mine.with_for_update())).one()
    return state.epoch, state.numbered


class OwnTopic:
    """What a service has published."""

    def __init__(self, service: str, broker: Broker) -> None:
        self._broker = broker
        self._topic = topic_of(service)
        self._source = re.compile(rf"/homeward/{service}/{SHARD}/([0-9]+)")

    async def newest(self, depth: int) -> Number:
        """The newest number among the last ``depth`` records of each partition; (0, 0) if there is none."""
        newest = (0, 0)
        for at, end in (await self._broker.end_positions([self._topic])).items():
            tail = await self._broker.read(at, max(end - depth, 0), depth) if end else []
            newest = max([newest, *(said.number for said in self._said(tail))])
        return newest

    async def after(self, ours: Number) -> AsyncIterator[Said]:
        """The events with numbers above ``ours``, each once, in the order of their numbers."""
        ends = await self._broker.end_positions([self._topic])
        readers = [self._from(at, await self._start(at, end, ours), end) for at, end in ends.items()]
        heads = {reader: said for reader in readers if (said := await _next(reader))}
        last = ours
        while heads:
            reader, said = min(heads.items(), key=lambda head: head[1].number)
            if said.number > last:  # else it came again
                yield said
                last = said.number
            del heads[reader]
            if following := await _next(reader):
                heads[reader] = following

    async def _from(self, at: TopicPartition, start: int, end: int) -> AsyncIterator[Said]:
        while start < end and (records := await self._broker.read(at, start, min(PAGE, end - start))):
            for said in self._said(records):
                yield said
            start = records[-1].offset + 1

    async def _start(self, at: TopicPartition, end: int, ours: Number) -> int:
        """An offset before which all numbers are old. Some may have come again later, so a whole page
        must be old before all the rest is."""
        while end:
            start = max(end - PAGE, 0)
            found = self._said(await self._broker.read(at, start, end - start))
            if found and all(said.number <= ours for said in found):
                return end
            end = start
        return 0

    def _said(self, records: Sequence[Received]) -> list[Said]:
        """Those of the records that are ours; whatever else is there is passed over."""
        found = []
        for record in records:
            with suppress(Malformed):
                envelope = Envelope.of(record)
                if source := self._source.fullmatch(envelope.source):
                    found.append(Said((int(source[1]), envelope.sequence), envelope, record.value))
        return found


async def _next(reader: AsyncIterator[Said]) -> Said | None:
    async for said in reader:
        return said
    return None


async def until_read_again(parts: Parts, stop: asyncio.Event) -> None:
    """Wait while the database is behind its topic: what is handled on it before the relay has read the
    rest again would be done twice."""
    told = ""
    while not stop.is_set():
        try:
            if not await is_behind(parts):
                return
            reason = "this database is older than its topic: waiting for the relay to read it again"
        except Exception as error:
            if not is_transient(error):
                raise
            reason = f"waiting to see whether this database is older than its topic: {type(error).__name__}"
        if told != (told := reason):
            log.error(reason)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
