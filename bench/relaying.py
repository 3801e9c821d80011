"""The relay, on the embedded log and on Kafka, beside sending the same records from memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
from aiokafka import AIOKafkaProducer

from harness.world import World
from homeward.common.envelope import Envelope, Record, topic_of
from homeward.common.relay import BATCH, Relay
from homeward.intake.app import create_service
from homeward.intake.settings import Settings

from .ground import OUTBOX, Ground, Row, batches, connection, copy, reports, rows_of
from .pairs import Hop, Meter

TOPIC = topic_of("intake")
GOAL = 0.7
LOG = "topic, partition, offset, key, headers, value"
_NUMBERED = "UPDATE outbox SET epoch = 1, sequence = position WHERE position BETWEEN $1 AND $2"


@asynccontextmanager
async def embedded(ground: Ground) -> AsyncIterator[Hop]:
    """Floor: COPY of the log's rows, and one UPDATE of the outbox, a batch."""
    async with ground.world("relaying") as world, connection(world) as db:
        service = await world.start(create_service, Settings)
        waiting = await _sealed(world, ground)

        async def clear() -> None:
            await _fill(db, waiting)
            await db.execute("TRUNCATE log_records")
            await db.execute("UPDATE log_partitions SET next_offset = 0")

        async def ours(meter: Meter) -> None:
            await clear()
            with meter:
                await _relay_all(Relay(service), len(waiting))

        await ours(Meter())
        log = batches(await rows_of(db, "log_records", LOG, "offset"), BATCH)

        async def floor(meter: Meter) -> None:
            await clear()
            with meter:
                for number, batch in enumerate(log):
                    await copy(db, "log_records", LOG, batch)
                    await _number(db, number)

        yield Hop("relay, embedded log", "events", len(waiting), ours, floor)


@asynccontextmanager
async def on_kafka(ground: Ground) -> AsyncIterator[Hop]:
    """Floor: the records produced by aiokafka, set up as ours, and one UPDATE of the outbox, a batch."""
    async with ground.world_on_kafka("relaying_kafka") as world, connection(world) as db:
        service = await world.start(create_service, Settings)
        waiting = await _sealed(world, ground)
        records = batches([_record(row, number) for number, row in enumerate(waiting, 1)], BATCH)
        producer = AIOKafkaProducer(
            bootstrap_servers=ground.kafka().bootstrap,
            acks="all",
            enable_idempotence=True,
            max_batch_size=1 << 20,
            max_request_size=8 << 20,
            linger_ms=2,
        )
        await producer.start()

        async def ours(meter: Meter) -> None:
            await _fill(db, waiting)
            with meter:
                await _relay_all(Relay(service), len(waiting))

        async def floor(meter: Meter) -> None:
            await _fill(db, waiting)
            with meter:
                for number, batch in enumerate(records):
                    await _produce(producer, batch)
                    await _number(db, number)

        try:
            yield Hop("relay, Kafka", "events", len(waiting), ours, floor, GOAL)
        finally:
            await producer.stop()


async def _sealed(world: World, ground: Ground) -> list[Row]:
    """Outbox rows of reports."""
    received = await world.records(*reports(ground.count(3_000, 2_000), world))
    envelopes = [(Envelope.of(record), record.value) for record in received]
    return [(e.id, e.type, e.subject, e.actor, e.traceparent, value, e.time) for e, value in envelopes]


async def _fill(db: asyncpg.Connection, waiting: Sequence[Row]) -> None:
    """An outbox of which nothing is numbered yet."""
    await db.execute("TRUNCATE outbox, relay_state RESTART IDENTITY")
    await db.execute("INSERT INTO relay_state VALUES (0, 1, 0, 0)")
    await copy(db, "outbox", OUTBOX, waiting)


async def _relay_all(relay: Relay, count: int) -> None:
    relayed = 0
    while relayed < count:
        relayed += await relay.step()


async def _produce(producer: AIOKafkaProducer, batch: Sequence[Record]) -> None:
    sent = [await producer.send(TOPIC, value=r.value, key=r.key, headers=list(r.headers)) for r in batch]
    await asyncio.gather(*sent)


async def _number(db: asyncpg.Connection, batch: int) -> None:
    """The one UPDATE: the numbers of a batch have to be kept, whoever gives them."""
    await db.execute(_NUMBERED, batch * BATCH + 1, (batch + 1) * BATCH)


def _record(row: Row, sequence: int) -> Record:
    event_id, event_type, stream, actor, traceparent, value, time = row
    envelope = Envelope(
        id=event_id,
        source="/homeward/intake/0/1",
        type=event_type,
        subject=stream,
        time=time,
        sequence=sequence,
        actor=actor,
        traceparent=traceparent,
    )
    return envelope.record(value)
