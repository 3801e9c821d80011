"""A restored database does not give a number twice: it starts a new epoch, and says so."""

import logging

import pytest

from harness.world import World
from homeward.common.contracts import DatabaseRestored
from homeward.common.envelope import Record
from homeward.common.parts import Service
from homeward.common.relay import Relay

from .noting import NoteTaken
from .test_relay import TOPIC, first_copies, numbers, published, say


async def state(world: World, service: Service) -> tuple[int, int, int]:
    [row] = await world.execute(service, "SELECT epoch, numbered, published FROM relay_state")
    return row.epoch, row.numbered, row.published


async def restore(world: World, service: Service, *, kept: int, numbered: int, published: int) -> None:
    """The database as it was when ``kept`` events were committed and the relay was at ``numbered``."""
    await world.execute(service, "DELETE FROM outbox WHERE position > :kept", kept=kept)
    await world.execute(
        service,
        "UPDATE outbox SET epoch = NULL, sequence = NULL WHERE sequence > :numbered",
        numbered=numbered,
    )
    await world.execute(
        service,
        "UPDATE relay_state SET epoch = 1, numbered = :numbered, published = :published",
        numbered=numbered,
        published=published,
    )


async def test_a_restart_goes_on_in_its_epoch(world: World, service: Service) -> None:
    for _ in range(3):
        await say(service, 4)
        await world.relay(service)
    assert await state(world, service) == (1, 12, 12)
    assert numbers(await published(world)) == list(range(1, 13))


async def test_a_database_that_is_behind_its_topic_opens_a_new_epoch(
    world: World, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await say(service, 10)
    await world.relay(service)
    await restore(world, service, kept=6, numbered=6, published=6)
    later = await say(service, 3)
    with caplog.at_level(logging.ERROR):
        await world.relay(service)
    assert [r.message for r in caplog.records] == [
        "topic is ahead of this database (a restore?): new epoch",
        "what this database had lost is read again",
    ]
    assert await state(world, service) == (2, 4, 4)
    found = await published(world)
    assert numbers(found, 1) == list(range(1, 11))
    assert numbers(found, 2) == [1, 2, 3, 4]
    new = [e for e in sorted(found, key=lambda e: e.sequence) if e.source.endswith("/2")]
    assert [e.id for e in new if e.type == NoteTaken.TYPE] == later
    [said] = await world.said(service, DatabaseRestored)
    assert (said.service, said.epoch, said.last_sequence, said.read_again) == ("tiny", 2, 10, 4)
    assert len(await world.said(service, NoteTaken)) == 13, "the outbox has all that was ever said"
    await say(service, 1)
    await world.relay(service)
    assert await state(world, service) == (2, 5, 5)


async def test_an_event_that_was_published_before_keeps_the_number_it_had(
    world: World, service: Service
) -> None:
    """The restored database holds events it does not know to have been numbered, or published."""
    said = await say(service, 2_500)
    await world.relay(service)
    before = {e.id: (e.source, e.sequence) for e in await published(world)}
    await restore(world, service, kept=2_400, numbered=20, published=10)
    later = await say(service, 5)
    await world.relay(service)
    found = await published(world)
    assert {e.id: (e.source, e.sequence) for e in found if e.id in before} == before
    assert numbers(first_copies(found), 1) == list(range(1, len(said) + 1))
    assert numbers(found, 2) == [1, 2, 3, 4, 5, 6]
    assert {e.id for e in found if e.type == NoteTaken.TYPE} == {*said, *later}
    unnumbered = "SELECT count(*) FROM outbox WHERE sequence IS NULL"
    assert await world.execute(service, unnumbered) == [(0,)]


async def test_a_second_restore_opens_a_third_epoch(world: World, service: Service) -> None:
    await say(service, 5)
    await world.relay(service)
    for epoch in (2, 3):
        await restore(world, service, kept=3, numbered=3, published=3)
        await world.execute(service, "UPDATE outbox SET epoch = 1 WHERE sequence IS NOT NULL")
        await say(service, 2)
        await world.relay(service)
        assert await state(world, service) == (epoch, 3, 3)


async def test_one_that_led_in_the_old_epoch_does_not_move_the_new_ones_watermark(
    world: World, service: Service
) -> None:
    await say(service, 50)
    late: Relay = Relay(service)
    await late.open_epoch()

    class NewEpochMeanwhile:
        def __getattr__(self, name: str) -> object:
            return getattr(world.broker, name)

        async def publish(self, records: list[Record]) -> None:
            await world.broker.publish(records)
            await world.execute(service, "UPDATE relay_state SET epoch = 2, numbered = 0, published = 0")

    late._broker = NewEpochMeanwhile()  # type: ignore[assignment]
    assert await late.step() == 50
    assert await state(world, service) == (2, 0, 0)
    await say(service, 5)
    await world.relay(service)
    assert numbers(await published(world), 2) == [1, 2, 3, 4, 5]


async def test_what_others_left_on_the_topic_is_no_number_of_ours(world: World, service: Service) -> None:
    await say(service, 1)
    await world.relay(service)
    [at] = [at for at, end in (await world.broker.end_positions([TOPIC])).items() if end]
    [record] = await world.broker.read(at, 0, 1)
    for source in ("https://example.org/x", "/homeward/other/0/9", "/homeward/tiny/0/x", ""):
        headers = tuple((n, source.encode() if n == "ce_source" else v) for n, v in record.headers)
        await world.broker.publish([Record(TOPIC, record.key, headers, record.value)])
        await say(service, 1)
        await world.relay(service)
    await world.broker.publish([Record(TOPIC, record.key, (), b"")])
    await world.relay(service)
    assert await state(world, service) == (1, 5, 5)
