"""What passes by itself is waited for in place: order is kept, and nothing is ever set aside for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from harness.postgres import Postgres
from harness.world import World
from homeward.common.broker import BrokerUnavailable
from homeward.common.consumer import Consumer
from homeward.common.contracts import ReportReceived
from homeward.common.envelope import topic_of
from homeward.common.keys import KeyringUnavailable
from homeward.common.parts import Service
from homeward.common.tx import Tx

from .consuming import all_letters, consuming, decide, states
from .noting import LIMIT, handling, names, on_report_received, report, running, until

NAMES = [f"{n}" for n in range(30)]


async def fail_with(state: str, tx: Tx) -> None:
    await tx.db.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))


async def lose_connection(tx: Tx) -> None:
    await tx.db.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def lose_keyring(_: Tx) -> None:
    raise KeyringUnavailable("the test says so")


async def lose_broker(_: Tx) -> None:
    raise BrokerUnavailable("the test says so")


TROUBLES: dict[str, Callable[[Tx], Awaitable[None]]] = {
    "deadlock": lambda tx: fail_with("40P01", tx),
    "serialization failure": lambda tx: fail_with("40001", tx),
    "disk full": lambda tx: fail_with("53100", tx),
    "connection lost": lose_connection,
    "keyring away": lose_keyring,
    "broker away": lose_broker,
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_that_passes_delays_and_no_more(world: World, service: Service, trouble: str) -> None:
    left = 2
    tried: list[str | None] = []

    async def on_report(event: ReportReceived, tx: Tx) -> None:
        nonlocal left
        tried.append(event.full_name)
        if event.full_name == "13" and left:
            left -= 1
            await TROUBLES[trouble](tx)
        await on_report_received(event, tx)

    await world.publish(*(report(name, report_id=UUID(int=1)) for name in NAMES))
    async with consuming(world, handling(service, on_report)):
        pass
    assert await names(world, service) == NAMES
    assert await all_letters(service) == []
    assert tried == NAMES[:14] * 2 + NAMES


async def test_two_members_that_lock_each_other_out_both_get_through(world: World, service: Service) -> None:
    """A real deadlock, between two batches that lock the same rows in opposite orders."""
    await world.execute(service, "CREATE TABLE balances (id int PRIMARY KEY, n int NOT NULL)")
    await world.execute(service, "INSERT INTO balances VALUES (0, 0), (1, 0)")
    meeting = asyncio.Barrier(2)
    met = 0

    async def on_report(event: ReportReceived, tx: Tx) -> None:
        nonlocal met
        first = int(event.full_name or "")
        add = sa.text("UPDATE balances SET n = n + 1 WHERE id = :id")
        await tx.db.execute(add, {"id": first})
        if met < 2:
            met += 1
            await meeting.wait()
        await tx.db.execute(add, {"id": 1 - first})

    members = [Consumer(handling(service, on_report)) for _ in range(2)]
    records = await world.records(report("0"), report("1"))
    batches = [[replace(record, partition=n)] for n, record in enumerate(records)]
    await asyncio.wait_for(
        asyncio.gather(*(m._handle_patiently(b) for m, b in zip(members, batches, strict=True))), LIMIT
    )
    assert await world.execute(service, "SELECT n FROM balances") == [(2,), (2,)]
    assert await all_letters(service) == []


async def test_while_the_keyring_is_away_records_wait(
    world: World, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await world.publish(*(report(name) for name in NAMES))
    world.keyring.away = True
    async with consuming(world, service):

        async def waits() -> bool:
            return caplog.text.count("batch waits: KeyringUnavailable") >= 2

        await until(waits)
        assert await names(world, service) == []
        world.keyring.away = False
    assert sorted(map(int, filter(None, await names(world, service)))) == list(range(30))
    assert await all_letters(service) == []


async def test_a_database_that_restarts_loses_and_repeats_nothing(
    world: World, service: Service, postgres: Postgres
) -> None:
    await world.publish(*(report(name, report_id=UUID(int=1)) for name in NAMES))
    async with running(Consumer(service, batch=3).run):
        await asyncio.to_thread(postgres.restart)

        async def all_noted() -> bool:
            try:
                return await names(world, service) == NAMES
            except (sa.exc.DBAPIError, OSError):
                return False

        await until(all_noted)
    assert await all_letters(service) == []


async def test_trouble_during_a_replay_is_waited_for_too(world: World, service: Service) -> None:
    left = 2

    async def on_report(event: ReportReceived, tx: Tx) -> None:
        nonlocal left
        if left == 2:
            left -= 1
            raise ValueError
        if left == 1:
            left -= 1
            await fail_with("40P01", tx)
        await on_report_received(event, tx)

    await world.publish(report("one"))
    async with consuming(world, handling(service, on_report)):
        [letter] = await until(lambda: all_letters(service))
        await decide(service, letter.id, "retry")
    assert await names(world, service) == ["one"]
    assert await states(service) == ["done"]


async def test_a_mistake_of_the_runtime_is_not_gone_round_for_ever(world: World, service: Service) -> None:
    await world.broker.ensure_topics([topic_of("intake"), topic_of("keyring")])
    await world.execute(service, "DROP TABLE dead_letters")
    await world.publish(report())
    with pytest.raises(sa.exc.ProgrammingError):
        await asyncio.wait_for(Consumer(service).run(asyncio.Event()), LIMIT)
