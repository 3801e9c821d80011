"""A feed followed as a stream: what a pull would show, as it comes, and no longer than it may be seen."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx
import pytest
from sqlalchemy.pool import QueuePool

from homeward.common.contracts import CaseOpened, EventsRead, ReadDenied
from homeward.common.ids import new_id
from homeward.exchange.bell import Bell

from .following import Said, events, said, street
from .scene import BASIC, NGO, POLICE, RETRACTED, F, Scene, consent, of_type, report

SOON = {"heartbeat_seconds": 0.2}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


def data(told: list[Said]) -> list[Any]:
    return [one["data"] for one in told]


def bell(scene: Scene) -> Bell:
    return cast(Bell, scene.service.parts.own["bell"])


def connections_in_use(scene: Scene) -> int:
    return cast(QueuePool, scene.service.parts.engine.pool).checkedout()


async def test_it_tells_what_a_pull_would_and_then_what_comes(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    items = await scene.read(NGO)
    async with street(scene) as at, at.follow(NGO) as following:
        assert data(await events(following, 2)) == items
        await scene.withdraw(person_id, recipient=NGO["agency"])
        told = data(await events(following, 2))
    assert len(of_type(told, RETRACTED)) == 2
    assert told == (await scene.read(NGO))[2:]


async def test_what_it_tells_is_recorded_before(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    async with street(scene) as at, at.follow(NGO, limit=1) as following:
        await events(following, 2)
    reads = await scene.world.said(scene.service, EventsRead)
    assert [(read.first_seq, read.last_seq) for read in reads] == [(1, 1), (2, 2)]


async def test_what_cannot_be_recorded_is_not_told(scene: Scene) -> None:
    async with street(scene) as at, at.follow(NGO) as following:
        assert (await anext(following))["event"] == "heartbeat"
        no_reads = "ADD CONSTRAINT no_reads CHECK (type <> 'homeward.events.read.v1')"
        await scene.world.execute(scene.service, f"ALTER TABLE outbox {no_reads}")
        await scene.known(report(consent(NGO)))
        with pytest.raises(httpx.RemoteProtocolError):
            await events(following, 1)
    await scene.world.execute(scene.service, "ALTER TABLE outbox DROP CONSTRAINT no_reads")
    assert await scene.world.said(scene.service, EventsRead) == []


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_it_goes_on_behind_the_last_event_that_arrived(scene: Scene, limit: int) -> None:
    """``cursor`` stays in the address that a browser asks again; the header wins."""
    beginning = (await scene.pull(NGO)).json()["cursor"]
    for _ in range(3):
        await scene.known(report(consent(NGO)))
    items, told, last = await scene.read(NGO), [], None
    async with street(scene) as at:
        for _ in items:
            async with at.follow(NGO, last=last, limit=limit, cursor=beginning) as following:
                [one] = await events(following, 1)
            told.append(one["data"])
            last = one["id"]
    assert told == items


async def test_ids_are_cursors_of_the_pull(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    items = await scene.read(NGO)
    async with street(scene, **SOON) as at, at.follow(NGO) as following:
        first, second = await events(following, 2)
        beat = await anext(following)
    assert beat["event"] == "heartbeat"
    for id_, left in ((first["id"], 1), (second["id"], 0), (beat["id"], 0)):
        page = (await scene.pull(NGO, cursor=id_)).json()["events"]
        assert page == items[2 - left :]


async def test_a_heartbeat_of_a_feed_with_nothing_in_it_is_a_place_to_go_on(scene: Scene) -> None:
    async with street(scene) as at:
        async with at.follow(NGO) as following:
            beat = await anext(following)
        assert (beat["event"], beat["data"]) == ("heartbeat", {})
        await scene.known(report(consent(NGO)))
        async with at.follow(NGO, last=beat["id"]) as following:
            assert data(await events(following, 2)) == await scene.read(NGO)


async def test_it_begins_at_a_time(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    scene.world.pass_time(seconds=5)
    begin: dict[str, Any] = {"from": scene.world.now.isoformat()}
    await scene.known(report(consent(NGO)))
    items = await scene.read(NGO)
    async with street(scene) as at, at.follow(NGO, **begin) as following:
        assert data(await events(following, 2)) == items[2:]


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"limit": 0}, {"seconds": 0}, {"from": "x"}])
async def test_what_is_wrong_is_said_before_it_begins(scene: Scene, query: dict[str, Any]) -> None:
    refused = await scene.partner(NGO, "GET", "/v1/events/stream", params=query)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"


async def test_another_agencys_place_is_none(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    cursor = (await scene.pull(NGO)).json()["cursor"]
    refused = await scene.partner(
        POLICE, "GET", "/v1/events/stream", headers={"Last-Event-ID": cursor}, params={"seconds": 1}
    )
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/unknown-cursor")


async def test_it_ends_when_the_token_does(scene: Scene) -> None:
    token = {"expires": scene.world.now.timestamp() + 0.5}
    async with street(scene, **SOON) as at, at.follow(NGO, token=token) as following:
        told = [one["event"] async for one in following]
    assert {*told} == {"heartbeat"}
    await until(lambda: bell(scene).waiting == 0)


async def test_it_ends_after_as_long_as_was_asked_for(scene: Scene) -> None:
    answer = await scene.partner(NGO, "GET", "/v1/events/stream", params={"seconds": 1})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


async def ended(scene: Scene, does: Callable[[], Awaitable[object]], **token: Any) -> Said:
    """The last that a stream says after ``does``."""
    async with street(scene) as at, at.follow(NGO, token=token) as following:
        assert (await anext(following))["event"] == "heartbeat"
        await does()
        told = [one async for one in following]
    await until(lambda: bell(scene).waiting == 0)
    return told[-1]


async def test_it_ends_at_once_when_the_partner_is_suspended(scene: Scene) -> None:
    problem = await ended(scene, lambda: scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend"))
    assert (problem["event"], problem["data"]["status"]) == ("problem", 403)
    assert problem["data"]["type"] == "/problems/partner-suspended"
    assert len(await scene.world.said(scene.service, ReadDenied)) == 1


async def test_it_ends_at_once_when_its_key_is_revoked(scene: Scene) -> None:
    path = f"/v1/partners/{NGO['agency']}/keys"
    [key] = (await scene.staff("GET", path))["keys"]
    problem = await ended(scene, lambda: scene.staff("POST", f"{path}/{key['kid']}/revoke"), key=key["kid"])
    assert (problem["event"], problem["data"]["status"]) == ("problem", 401)


async def test_it_says_that_the_feed_begins_anew(scene: Scene) -> None:
    anew = "INSERT INTO relay_state VALUES (0, 2, 0, 0)"
    problem = await ended(scene, lambda: scene.world.execute(scene.service, anew))
    assert problem["data"]["type"] == "/problems/feed-restored"


async def test_it_waits_while_feeds_pause(scene: Scene) -> None:
    """What is to come cannot be shown yet, as it might be revoked; the stream goes on for all that."""
    async with street(scene, **SOON) as at, at.follow(NGO) as following:
        assert (await anext(following))["event"] == "heartbeat"
        await scene.world.publish(CaseOpened(case_id=new_id(), person_id=new_id()))
        scene.world.pass_time(seconds=60)
        await scene.known(report(consent(NGO)))
        for _ in range(3):
            assert (await anext(following))["event"] == "heartbeat"
        await scene.world.consume(scene.service)
        await scene.pull(POLICE)
        assert len(await events(following, 2)) == 2


async def test_clients_that_vanish_by_the_hundred_leave_nothing_behind(scene: Scene) -> None:
    async with street(scene, max_requests=20) as at:
        for _ in range(3):
            client = httpx.AsyncClient(
                base_url=at.url, trust_env=False, timeout=30, limits=httpx.Limits(max_connections=None)
            )
            headers = at.headers(NGO)

            async def come(client: httpx.AsyncClient = client, headers: Any = headers) -> httpx.Response:
                while True:
                    request = client.build_request("GET", "/v1/events/stream", headers=headers)
                    response = await client.send(request, stream=True)
                    if response.status_code == 200:
                        return response
                    assert response.status_code == 503, "as many as can be at once"
                    await response.aclose()
                    await asyncio.sleep(0.05)

            came = [await come() for _ in range(100)]
            await until(lambda: bell(scene).waiting == 100)
            assert (await scene.partner(NGO, "GET", "/v1/events")).status_code == 200, "they take no place"
            await until(lambda: connections_in_use(scene) == 0)
            for response in came:
                await response.aclose()
            await client.aclose()
            await until(lambda: bell(scene).waiting == 0)
        await until(lambda: scene.service.parts.own["streams"]._value == 1_000)
    await until(lambda: connections_in_use(scene) == 0)
    assert [task for task in asyncio.all_tasks() if "stream" in repr(task.get_coro())] == []


async def test_an_event_reaches_all_who_wait(scene: Scene) -> None:
    async with street(scene) as at:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=at.url, trust_env=False, timeout=30, limits=limits) as client:

            async def follow() -> Any:
                async with client.stream("GET", "/v1/events/stream", headers=at.headers(NGO)) as response:
                    return [one["data"] for one in await events(said(response), 2)]

            waiting = [asyncio.create_task(follow()) for _ in range(30)]
            await until(lambda: bell(scene).waiting == 30)
            await scene.known(report(consent(NGO)))
            told = await asyncio.gather(*waiting)
    assert told == [await scene.read(NGO)] * 30


async def test_there_are_as_many_streams_as_there_may_be(scene: Scene) -> None:
    scene.service.parts.own["streams"] = asyncio.Semaphore(1)
    async with street(scene) as at, at.follow(NGO) as following:
        await anext(following)
        busy = await scene.partner(NGO, "GET", "/v1/events/stream", params={"seconds": 1})
        assert (busy.status_code, busy.json()["type"]) == (503, "/problems/busy")
        assert "retry-after" in busy.headers


async def test_it_ends_with_the_process(scene: Scene) -> None:
    async with street(scene) as at, at.follow(NGO) as following:
        await anext(following)
        at.stop.set()
        assert [one async for one in following] == []


async def test_a_client_that_does_not_read_is_let_go_in_the_end(scene: Scene) -> None:
    for _ in range(30):
        await scene.known(report(consent(NGO, *BASIC, F.NARRATIVE), narrative="…" * 5_000))
    async with street(scene) as at:
        host, _, port = at.url.removeprefix("http://").partition(":")
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        small.connect((host, int(port)))
        _, writer = await asyncio.open_connection(sock=small, limit=1_024)
        token = at.headers(NGO, expires=scene.world.now.timestamp() + 1)["Authorization"]
        asked = f"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
        writer.write(asked.encode())
        await until(lambda: scene.service.parts.own["streams"]._value == 999)
        await until(lambda: scene.service.parts.own["streams"]._value == 1_000)
        assert connections_in_use(scene) == 0
        writer.close()
