"""Operators see how far a service is and what it could not handle, and decide; every decision is said."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from harness.world import World
from homeward.common.contracts import DeadLetterRetried, DeadLetterSkipped, ReportReceived
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.common.tx import Tx

from .consuming import caught_up, consuming
from .noting import handling, names, on_report_received, report
from .test_http_errors import check
from .test_relay import say

STREAM = UUID(int=1)
BAD = {"bad"}


async def picky(event: ReportReceived, tx: Tx) -> None:
    if event.full_name in BAD:
        raise ValueError
    await on_report_received(event, tx)


@pytest.fixture
async def client(world: World, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(service, "operations", client_id="operator-1") as client:
        yield client


async def test_a_letter_is_listed_retried_and_said_to_be(
    world: World, service: Service, client: httpx.AsyncClient
) -> None:
    [event_id] = await world.publish(report("bad", report_id=STREAM))
    await world.publish(report("behind", report_id=STREAM))
    async with consuming(world, handling(service, picky)):
        await caught_up(world, service)
        shown = (await client.get("/v1/tiny/dead-letters")).json()["dead_letters"]
        assert [letter["state"] for letter in shown] == ["poison", "parked"]
        assert (shown[0]["event_id"], shown[0]["stream"]) == (str(event_id), str(STREAM))
        assert shown[0]["error"].startswith("ValueError at ")
        BAD.clear()
        response = await client.post(f"/v1/tiny/dead-letters/{shown[0]['id']}/retry")
        assert (response.status_code, response.json()["state"]) == (200, "retry")
    BAD.add("bad")
    assert await names(world, service) == ["bad", "behind"]
    assert (await client.get("/v1/tiny/dead-letters")).json() == {"dead_letters": []}
    said = "SELECT type, actor FROM outbox WHERE stream = :id"
    [row] = await world.execute(service, said, id=shown[0]["id"])
    assert tuple(row) == (DeadLetterRetried.TYPE, "client:operator-1")


async def test_a_letter_is_skipped_for_a_reason(
    world: World, service: Service, client: httpx.AsyncClient
) -> None:
    await world.publish(report("bad", report_id=STREAM), report("behind", report_id=STREAM))
    async with consuming(world, handling(service, picky)):
        await caught_up(world, service)
        [letter, parked] = (await client.get("/v1/tiny/dead-letters")).json()["dead_letters"]
        path = f"/v1/tiny/dead-letters/{letter['id']}/skip"
        check(await client.post(path, json={}), 422, "invalid-request")
        check(await client.post(path, json={"reason": "x"}), 422, "invalid-request")
        behind = f"/v1/tiny/dead-letters/{parked['id']}"
        check(await client.post(f"{behind}/retry"), 404, "not-found")
        check(await client.post(f"{behind}/skip", json={"reason": "in a hurry"}), 404, "not-found")
        skipped = await client.post(path, json={"reason": "twice in the list"})
        assert skipped.json()["state"] == "skipped"
        check(await client.post(path, json={"reason": "twice in the list"}), 404, "not-found")
    assert await names(world, service) == ["behind"]
    [row] = await world.execute(service, "SELECT type, actor, value FROM outbox WHERE type LIKE '%skipped%'")
    assert (row.type, row.actor) == (DeadLetterSkipped.TYPE, "client:operator-1")
    assert b"twice" not in row.value


async def test_a_letter_nobody_knows_is_404(client: httpx.AsyncClient) -> None:
    check(await client.post(f"/v1/tiny/dead-letters/{new_id()}/retry"), 404, "not-found")
    check(await client.post("/v1/tiny/dead-letters/x/retry"), 422, "invalid-request")


async def test_the_outbox_tells_what_waits_and_for_how_long(
    world: World, service: Service, client: httpx.AsyncClient
) -> None:
    async def state() -> dict[str, object]:
        found: dict[str, object] = (await client.get("/v1/tiny/outbox")).json()
        return found

    nothing = {"epoch": 1, "committed": 0, "sequenced": 0, "published": 0, "unsequenced": 0}
    assert await state() == {**nothing, "oldest_unsequenced_seconds": None}
    await say(service, 3)
    world.pass_time(seconds=90)
    await say(service, 2)
    waiting = {**nothing, "committed": 5, "unsequenced": 5}
    assert await state() == {**waiting, "oldest_unsequenced_seconds": 90.0}
    await world.relay(service)
    done = {**nothing, "committed": 5, "sequenced": 5, "published": 5}
    assert await state() == {**done, "oldest_unsequenced_seconds": None}


async def test_the_consumer_tells_how_far_behind_it_is(
    world: World, service: Service, client: httpx.AsyncClient
) -> None:
    await world.publish(report(), report())
    assert (await client.get("/v1/tiny/consumer")).json() == {"group": "tiny", "lag": 2}
    await world.consume(service)
    assert (await client.get("/v1/tiny/consumer")).json() == {"group": "tiny", "lag": 0}


async def test_only_operators_get_in(world: World, service: Service) -> None:
    async with world.client(service, "notes:write") as client:
        for path in ("dead-letters", "outbox", "consumer"):
            check(await client.get(f"/v1/tiny/{path}"), 403, "scope-missing")
        for what in ("retry", "skip"):
            response = await client.post(f"/v1/tiny/dead-letters/{new_id()}/{what}", json={"reason": "x" * 5})
            check(response, 403, "scope-missing")
