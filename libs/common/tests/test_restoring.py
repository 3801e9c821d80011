"""A service whose database was restored from a backup has lost nothing that it told others of, does
nothing twice, and says what happened."""

import asyncio
import random
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.contracts import DatabaseRestored, ReportReceived
from homeward.common.envelope import Record
from homeward.common.parts import Service
from homeward.common.relay import Relay
from homeward.common.tx import Tx

from .noting import NoteTaken, handling, names, notes, report, running, until
from .test_relay import TOPIC, first_copies, published

KEPT = ("outbox", "relay_state", "inbox", "inbox_positions", "notes")


async def back_up(world: World, service: Service) -> None:
    for table in KEPT:
        await world.execute(service, f"CREATE TABLE kept_{table} AS TABLE {table}")


async def restore(world: World, service: Service) -> None:
    for table in KEPT:
        await world.execute(service, f"DELETE FROM {table}")
        await world.execute(service, f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}")
    highest = "SELECT setval(pg_get_serial_sequence('{0}', 'position'), max(position)) FROM {0}"
    for table in ("outbox", "notes"):
        await world.execute(service, highest.format(table))


async def on_report_received(event: ReportReceived, tx: Tx) -> None:
    """Notes each report once, as a service does whose state says what it has done."""
    noted = sa.select(notes.c.position).where(notes.c.report_id == event.report_id)
    if await tx.db.scalar(noted) is None:
        await tx.db.execute(insert(notes).values(report_id=event.report_id, name=event.full_name))
        tx.emit(NoteTaken(report_id=event.report_id, text=event.full_name))


async def on_note_taken(event: NoteTaken, tx: Tx) -> None:
    await tx.db.execute(insert(notes).values(report_id=event.report_id, name=event.text))


@pytest.fixture
def noting(service: Service) -> Service:
    return handling(service, on_report_received, restores={NoteTaken: on_note_taken})


async def hand_in(world: World, *called: str) -> list[UUID]:
    reports = [report(name) for name in called]
    for one in await world.records(*reports):
        await world.broker.publish([Record(one.topic, one.key, one.headers, one.value)])
    return [one.report_id for one in reports]


@pytest.fixture
async def topics(world: World, noting: Service) -> None:
    await world.broker.ensure_topics([TOPIC, "homeward.intake.v1", "homeward.keyring.v1"])


@pytest.mark.usefixtures("topics")
async def test_it_knows_again_what_it_said_and_does_what_it_had_not_said(
    world: World, noting: Service
) -> None:
    await hand_in(world, "a", "b")
    await world.settle(noting)
    await back_up(world, noting)
    await hand_in(world, "c", "d")
    await world.settle(noting)
    await hand_in(world, "e")
    await world.consume(noting)  # and said, but lost before it went out
    await restore(world, noting)
    assert set(await names(world, noting)) == {"a", "b"}

    async with running(Relay(noting).run, Consumer(noting).run):

        async def all_noted() -> bool:
            return len(await names(world, noting)) >= 5

        await until(all_noted)
        await hand_in(world, "f")

        async def and_the_next() -> bool:
            told = {e.id for e in await published(world) if e.type == NoteTaken.TYPE}
            return len(told) >= 6

        await until(and_the_next)
    assert sorted(filter(None, await names(world, noting))) == ["a", "b", "c", "d", "e", "f"]
    said = await world.said(noting, NoteTaken)
    assert sorted(str(one.text) for one in said) == ["a", "b", "c", "d", "e", "f"]
    [restored] = await world.said(noting, DatabaseRestored)
    assert (restored.epoch, restored.last_sequence, restored.read_again) == (2, 4, 2)
    told = first_copies(await published(world))
    assert len({e.id for e in told}) == len(told) == 7


@pytest.mark.usefixtures("topics")
async def test_nothing_is_handled_before_its_own_events_are_read_again(world: World, noting: Service) -> None:
    await back_up(world, noting)
    await hand_in(world, "a")
    await world.settle(noting)
    await restore(world, noting)
    async with running(Consumer(noting).run):
        await asyncio.sleep(1)
        assert await names(world, noting) == []
        async with running(Relay(noting).run):

            async def noted() -> bool:
                return bool(await names(world, noting))

            await until(noted)
    assert len(await world.said(noting, NoteTaken)) == 1


@pytest.mark.usefixtures("topics")
async def test_one_that_goes_on_over_a_restore_notices(world: World, noting: Service) -> None:
    """Nobody stopped it: its next record is further on than the database says."""
    await hand_in(world, "a")
    await world.settle(noting)
    await back_up(world, noting)
    async with running(Relay(noting).run, Consumer(noting).run):
        await hand_in(world, "b")

        async def two() -> bool:
            return len(await names(world, noting)) == 2

        await until(two)
        await world.relay(noting)
        await restore(world, noting)
        await world.relay(noting)  # as a leader does that follows the one whose connection was cut
        await hand_in(world, "c")

        async def three() -> bool:
            return len(await names(world, noting)) == 3

        await until(three)
    assert await names(world, noting) == ["a", "b", "c"]
    assert len(await world.said(noting, NoteTaken)) == 3


@pytest.mark.usefixtures("topics")
async def test_events_come_back_in_the_order_of_their_numbers(world: World, noting: Service) -> None:
    """Whatever partition they are in, and however often they were sent."""
    chance = random.Random(3)
    await back_up(world, noting)
    called = [str(number) for number in range(700)]
    await hand_in(world, *called)
    await world.settle(noting)
    records = [
        record
        for at, end in (await world.broker.end_positions([TOPIC])).items()
        for record in await world.broker.read(at, 0, end)
    ]
    again = chance.sample(records, 50)
    await world.broker.publish([Record(r.topic, r.key, r.headers, r.value) for r in again])
    await restore(world, noting)
    seen: list[int] = []

    async def note_order(event: NoteTaken, tx: Tx) -> None:
        assert tx.incoming is not None
        seen.append(tx.incoming.envelope.sequence)

    await Relay(handling(noting, on_report_received, restores={NoteTaken: note_order})).open_epoch()
    assert seen == list(range(1, 701))
