"""Every event committed gets one number, without gaps, and reaches its topic in the order of its stream."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa

from harness.postgres import Postgres
from harness.world import World
from homeward.common.broker import Broker, BrokerUnavailable
from homeward.common.envelope import Envelope, Record, topic_of
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.common.relay import Relay

from .noting import NoteTaken, running, until

TOPIC = topic_of("tiny")


async def say(service: Service, count: int, stream: UUID | None = None) -> list[UUID]:
    """Commit ``count`` events; their ids."""
    async with service.parts.transaction("client:caseworker-1") as tx:
        return [tx.emit(NoteTaken(report_id=stream or new_id(), text=f"{n}")) for n in range(count)]


async def published(world: World) -> list[Envelope]:
    """What is on the topic, by partition."""
    found = []
    for at, end in (await world.broker.end_positions([TOPIC])).items():
        found += [Envelope.of(record) for record in await world.broker.read(at, 0, end)]
    return found


def first_copies(envelopes: Sequence[Envelope]) -> list[Envelope]:
    """As a consumer's inbox sees them."""
    return list({envelope.id: envelope for envelope in reversed(envelopes)}.values())[::-1]


def numbers(envelopes: Sequence[Envelope], epoch: int = 1) -> list[int]:
    return sorted(e.sequence for e in envelopes if e.source == f"/homeward/tiny/0/{epoch}")


async def test_numbers_have_no_gaps_however_transactions_commit(world: World, service: Service) -> None:
    """Ids are given when rows are written and seen when they are committed: in another order, or never."""
    chance = random.Random(7)
    gates = [asyncio.Event() for _ in range(8)]

    class RolledBack(Exception):
        pass

    async def write(gate: asyncio.Event, fails: bool) -> list[UUID]:
        try:
            async with service.parts.transaction("client:caseworker-1") as tx:
                said = [tx.emit(NoteTaken(report_id=new_id())) for _ in range(3)]
                await tx.flush()
                ready.release()
                await gate.wait()
                if fails:
                    raise RolledBack
                return said
        except RolledBack:
            return []

    said: list[UUID] = []
    for _ in range(4):
        ready = asyncio.Semaphore(0)
        writing = [asyncio.ensure_future(write(gate, chance.random() < 0.3)) for gate in gates]
        for _ in gates:
            await ready.acquire()
        for n in chance.sample(range(8), 8):
            gates[n].set()
            said += await writing[n]
            if chance.random() < 0.5:
                await world.relay(service)
        gates = [asyncio.Event() for _ in range(8)]
    await world.relay(service)
    found = await published(world)
    assert {e.id for e in found} == set(said)
    assert numbers(found) == list(range(1, len(said) + 1))


async def test_each_stream_keeps_the_order_of_its_commits(world: World, service: Service) -> None:
    streams = [new_id() for _ in range(5)]
    said: dict[str, list[UUID]] = defaultdict(list)
    async with running(Relay(service).run):
        for n in range(60):
            stream = streams[n % 5]
            said[str(stream)] += await say(service, 1 + n % 3, stream)
        await until(lambda: all_published(world, said))
    found: dict[str, list[UUID]] = defaultdict(list)
    for envelope in await published(world):
        found[envelope.subject].append(envelope.id)
    assert found == said


async def all_published(world: World, said: dict[str, list[UUID]]) -> bool:
    return {e.id for e in await published(world)} >= {one for ids in said.values() for one in ids}


class Crash(Exception):
    pass


class Crashing:
    """A broker whose publisher dies around ``publish``."""

    def __init__(self, broker: Broker, *, before: bool = False, after: bool = False) -> None:
        self._broker = broker
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def publish(self, records: Sequence[Record]) -> None:
        if self._before:
            raise Crash
        await self._broker.publish(records)
        if self._after:
            raise Crash


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_is_sent_again_after_a_crash_has_the_same_number(
    world: World, service: Service, when: str
) -> None:
    first = await say(service, 5)
    crashing = replace(
        service, parts=replace(service.parts, broker=cast(Broker, Crashing(world.broker, **{when: True})))
    )
    relay = Relay(crashing)
    await relay.open_epoch()
    with pytest.raises(Crash):
        await relay.step()
    second = await say(service, 5)
    await world.relay(service)
    found = await published(world)
    assert len(found) == (15 if when == "after" else 10)
    given = defaultdict(set)
    for envelope in found:
        given[envelope.id].add((envelope.source, envelope.sequence))
    assert all(len(places) == 1 for places in given.values())
    assert given.keys() == {*first, *second}
    assert numbers(first_copies(found)) == list(range(1, 11))


async def test_two_relays_at_once_do_no_harm(world: World, service: Service) -> None:
    """One that was cut off does not know it for a moment: what it still does must stand beside the other."""
    said: dict[str, list[UUID]] = defaultdict(list)
    streams = [new_id() for _ in range(4)]
    relays = [Relay(service), Relay(service)]
    for relay in relays:
        await relay.open_epoch()
    for n in range(12):
        said[str(streams[n % 4])] += await say(service, 20, streams[n % 4])
        await asyncio.gather(*(relay.step() for relay in relays))
    await world.relay(service)
    found = await published(world)
    once = first_copies(found)
    assert numbers(once) == list(range(1, 241))
    by_stream: dict[str, list[UUID]] = defaultdict(list)
    for envelope in once:
        by_stream[envelope.subject].append(envelope.id)
    assert by_stream == said


async def leaders(database: str) -> list[int]:
    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    rows = await connection.fetch(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND "
        "(classid::bigint << 32 | objid::bigint) = hashtextextended('homeward relay tiny', 0)"
    )
    await connection.close()
    return [row[0] for row in rows]


async def cut_off(database: str, pid: int) -> None:
    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    await connection.close()


async def test_one_relay_leads_and_another_follows_when_it_is_cut_off(
    world: World, service: Service, database: str
) -> None:
    said: dict[str, list[UUID]] = defaultdict(list)
    async with running(Relay(service).run, Relay(service).run):
        for round_ in range(3):
            [leader] = await until(lambda: leaders(database))
            for n in range(10):
                said[f"{round_}{n}"] = await say(service, 3)
            await cut_off(database, leader)

            async def another(before: int = leader) -> bool:
                return bool(set(await leaders(database)) - {before})

            await until(another)
        await until(lambda: all_published(world, said))
    assert await leaders(database) == []
    assert numbers(first_copies(await published(world))) == list(range(1, 91))


async def test_the_relay_waits_for_a_database_that_is_away(
    world: World, service: Service, postgres: Postgres
) -> None:
    said = {"": await say(service, 3)}
    async with running(Relay(service).run):
        await until(lambda: all_published(world, said))
        await asyncio.to_thread(postgres.restart)
        said["later"] = await until(lambda: say_patiently(service))
        await until(lambda: patiently_all_published(world, said))


async def say_patiently(service: Service) -> list[UUID]:
    try:
        return await say(service, 3)
    except (sa.exc.DBAPIError, OSError):
        return []


async def patiently_all_published(world: World, said: dict[str, list[UUID]]) -> bool:
    try:
        return await all_published(world, said)
    except BrokerUnavailable:
        return False


async def test_a_mistake_ends_the_relay_rather_than_go_round_for_ever(service: Service) -> None:
    async with service.parts.engine.begin() as db:
        await db.execute(sa.text("DROP TABLE relay_state"))
    with pytest.raises(sa.exc.ProgrammingError):
        await asyncio.wait_for(Relay(service).run(asyncio.Event()), 10)
