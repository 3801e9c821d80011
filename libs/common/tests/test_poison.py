"""A record no handler can take is set aside alone, by reference; its stream waits and all others flow."""

import logging
from collections.abc import Callable
from uuid import UUID

import pytest

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.contracts import ReportReceived
from homeward.common.envelope import Received, Record, topic_of
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.common.tx import Tx

from .consuming import all_letters, caught_up, consuming, decide, states
from .noting import handling, names, on_report_received, report

SECRET = "Zoë Lin, +86 10 8888"


class Mistake(Exception):
    pass


class Picky:
    """Handles what it can; fails at the names it is told to, until it is mended."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.tried: list[str] = []

    async def __call__(self, event: ReportReceived, tx: Tx) -> None:
        assert event.full_name is not None
        self.tried.append(event.full_name)
        if event.full_name in self.bad:
            raise Mistake(f"{SECRET}: cannot handle {event.full_name}")
        await on_report_received(event, tx)


STREAMS = [UUID(int=n) for n in range(1, 5)]


def reports(count: int) -> list[ReportReceived]:
    """``count`` reports over four streams: 0 and 4 and 8 in one, 1 and 5 and 9 in the next, …"""
    return [report(f"{n}", report_id=STREAMS[n % 4]) for n in range(count)]


def of_stream(found: list[str | None], stream: int) -> list[str | None]:
    return [name for name in found if name is not None and int(name) % 4 == stream]


@pytest.mark.parametrize("batch", [1, 7, 300])
async def test_one_poison_record_is_set_aside_alone(world: World, service: Service, batch: int) -> None:
    picky = handling(service, Picky("8"))
    await world.publish(*reports(40))
    async with consuming(world, picky, batch=batch):
        pass
    found = await names(world, service)
    assert of_stream(found, 0) == ["0", "4"]
    for stream in (1, 2, 3):
        assert of_stream(found, stream) == [f"{n}" for n in range(stream, 40, 4)]
    assert await states(service) == ["poison", *["parked"] * 7]
    assert {letter.stream for letter in await all_letters(service)} == {str(STREAMS[0])}


async def test_several_poison_records_in_a_batch(world: World, service: Service) -> None:
    await world.publish(*reports(40))
    async with consuming(world, handling(service, Picky("5", "6", "17", "39"))):
        pass
    found = await names(world, service)
    assert of_stream(found, 0) == [f"{n}" for n in range(0, 40, 4)]
    assert of_stream(found, 1) == ["1"]
    assert of_stream(found, 2) == ["2"]
    assert of_stream(found, 3) == [f"{n}" for n in range(3, 39, 4)]


async def test_what_waits_is_replayed_in_order_after_the_fix(world: World, service: Service) -> None:
    picky = Picky("8")
    await world.publish(*reports(24))
    async with consuming(world, handling(service, picky)):
        await caught_up(world, service)
        await world.publish(*reports(32)[24:])
        await caught_up(world, service)
        picky.bad.clear()
        picky.tried.clear()
        [poison] = [one for one in await all_letters(service) if one.state == "poison"]
        await decide(service, poison.id, "retry")
    assert picky.tried == [f"{n}" for n in range(8, 32, 4)]
    assert of_stream(await names(world, service), 0) == [f"{n}" for n in range(0, 32, 4)]
    assert set(await states(service)) == {"done"}


async def test_a_retry_that_fails_again_keeps_the_rest_waiting(world: World, service: Service) -> None:
    picky = Picky("8", "16")
    await world.publish(*reports(32))
    async with consuming(world, handling(service, picky)):
        await caught_up(world, service)
        [poison] = [one for one in await all_letters(service) if one.state == "poison"]
        await decide(service, poison.id, "retry")
        await caught_up(world, service)
        assert await states(service) == ["poison", *["parked"] * 5]
        picky.bad.discard("8")
        await decide(service, poison.id, "retry")
        await caught_up(world, service)
        assert of_stream(await names(world, service), 0) == ["0", "4", "8", "12"]
        assert await states(service) == ["done", "done", "poison", *["parked"] * 3]


async def test_a_skipped_record_is_never_handled_though_it_comes_again(
    world: World, service: Service
) -> None:
    picky = Picky("4")
    tolerant = handling(service, picky)
    await world.publish(*reports(12))
    async with consuming(world, tolerant):
        await caught_up(world, service)
        poison = (await all_letters(service))[0]
        await decide(service, poison.id, "skip")
        picky.bad.clear()
        picky.tried.clear()
    assert of_stream(await names(world, service), 0) == ["0", "8"]
    assert await states(service) == ["skipped", "done"]
    await world.handle(tolerant, await all_records(world))
    assert picky.tried == ["8"]
    assert of_stream(await names(world, service), 0) == ["0", "8"]


async def all_records(world: World) -> list[Received]:
    ends = await world.broker.end_positions([topic_of("intake")])
    return [record for at, end in ends.items() for record in await world.broker.read(at, 0, end)]


async def test_what_comes_again_behind_a_poison_record_is_set_aside_once(
    world: World, service: Service
) -> None:
    """As after a crash between the commit of the batch and that of the offsets."""
    picky = Picky("4")
    await world.publish(*reports(12))
    async with consuming(world, handling(service, picky)):
        pass
    again = await all_records(world)
    await Consumer(handling(service, picky)).handle(again)
    async with consuming(world, handling(service, picky)):
        await caught_up(world, service)
    kept = [letter.state for letter in await all_letters(service) if letter.state != "done"]
    assert kept == ["poison", "parked"]
    assert of_stream(await names(world, service), 0) == ["0"]
    assert len(await names(world, service)) == 10


async def test_a_letter_tells_where_and_what_but_nothing_anybody_said(
    world: World, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await world.publish(report("4"))
    with caplog.at_level(logging.INFO):
        async with consuming(world, handling(service, Picky("4"))):
            pass
    [letter] = await all_letters(service)
    assert letter.error.startswith("Mistake at ")
    assert letter.error.endswith("__call__")
    assert "8888" not in letter.error
    assert "cannot handle" not in str(dict(letter._mapping)) + caplog.text
    assert "set aside: Mistake at" in caplog.text


# Records that are none of ours


Change = Callable[[dict[str, bytes], bytes], tuple[dict[str, bytes], bytes]]
UNREADABLE: dict[str, Change] = {
    "Malformed: no attributes": lambda headers, value: ({}, value),
    "Malformed: an id that is none": lambda headers, value: ({**headers, "ce_id": SECRET.encode()}, value),
    "Malformed: no text": lambda headers, value: ({**headers, "ce_id": b"\xff"}, value),
    "JSONDecodeError": lambda headers, value: (headers, b""),
    "ValueError": lambda headers, value: (headers, b"[]"),
    "KeyError": lambda headers, value: (headers, b'{"v":1}'),
    "ValidationError": lambda headers, value: (headers, b'{"v":1,"open":{},"sealed":{}}'),
    "SealBroken": lambda headers, value: ({**headers, "ce_id": str(new_id()).encode()}, value),
}


async def test_records_that_cannot_be_read_are_set_aside_and_can_be_skipped(
    world: World, service: Service
) -> None:
    streams = {case: UUID(int=n) for n, case in enumerate(UNREADABLE, 1)}
    await world.broker.ensure_topics([topic_of("intake")])
    for case, change in UNREADABLE.items():
        [record] = await world.records(report("", report_id=streams[case]))
        headers, value = change(dict(record.headers), record.value)
        await world.broker.publish([Record(record.topic, record.key, tuple(headers.items()), value)])
        await world.publish(report(case, report_id=streams[case]))
    await world.publish(report("beside"))
    async with consuming(world, service):
        await caught_up(world, service)
        assert await names(world, service) == ["beside"]
        letters = await all_letters(service)
        for case, stream in streams.items():
            poison, behind = [letter for letter in letters if letter.stream == str(stream)]
            assert (poison.state, behind.state) == ("poison", "parked")
            assert poison.error.startswith(f"{case.partition(':')[0]} at ")
            await decide(service, poison.id, "skip")
    assert set(await names(world, service)) == {"beside", *UNREADABLE}


async def test_a_letter_whose_record_is_gone_is_not_taken_for_done(world: World, service: Service) -> None:
    picky = Picky("4")
    await world.publish(report("4"))
    async with consuming(world, handling(service, picky)):
        await caught_up(world, service)
        [poison] = await all_letters(service)
        await world.execute(service, "DELETE FROM log_records")
        picky.bad.clear()
        await decide(service, poison.id, "retry")
    [letter] = await all_letters(service)
    assert letter.state == "poison"
    assert letter.error.startswith("LookupError at ")


async def test_a_failing_finish_is_a_failure_of_each_record(world: World, service: Service) -> None:
    async def finish(tx: Tx) -> None:
        raise Mistake(SECRET)

    await world.publish(*reports(3))
    async with consuming(world, handling(service, on_report_received, finish=finish)):
        pass
    assert await states(service) == ["poison"] * 3
    assert await names(world, service) == []
