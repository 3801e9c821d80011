"""A pull that waits: it holds nothing meanwhile, leaves no trace, and answers when something comes."""

import asyncio
import dataclasses
from typing import cast

import pytest

from homeward.common.broker import Broker, BrokerUnavailable, Positions
from homeward.common.contracts import CaseOpened, EventsRead
from homeward.common.envelope import topics_of
from homeward.common.ids import new_id
from homeward.exchange.consumers import CONSUMERS
from homeward.exchange.freshness import Watch

from .scene import NGO, Scene, consent, report, reports_in, shown

OPEN_TRANSACTIONS = (
    "SELECT count(*) AS open FROM pg_stat_activity WHERE datname = current_database() "
    "AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
)


async def test_it_answers_when_something_comes(scene: Scene) -> None:
    about = report(consent(NGO))
    waiting = asyncio.create_task(scene.pull(NGO, wait=20))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await scene.known(about)
    response = await asyncio.wait_for(waiting, 10)
    assert len(reports_in(response.json()["events"])) == 1


async def test_it_holds_no_transaction_and_leaves_no_trace(scene: Scene) -> None:
    waiting = asyncio.create_task(scene.pull(NGO, wait=2))
    closed = 0
    while not waiting.done():
        [row] = await scene.world.execute(scene.service, OPEN_TRANSACTIONS)
        closed += row.open == 0
        await asyncio.sleep(0.02)
    assert closed > 3, "open while it looks, not while it waits"
    response = await waiting
    assert (response.json()["events"], response.json()["more"]) == ([], False)
    assert await scene.world.said(scene.service, EventsRead) == []


async def test_it_is_refused_once_the_partner_is_suspended(scene: Scene) -> None:
    waiting = asyncio.create_task(scene.pull(NGO, wait=20))
    await asyncio.sleep(0.3)
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    assert (await asyncio.wait_for(waiting, 10)).status_code == 403


async def test_feeds_pause_while_exchange_is_behind(scene: Scene) -> None:
    """What was revoked could be on the log already."""
    person_id = await scene.known(report(consent(NGO)))
    assert (await scene.pull(NGO)).status_code == 200
    await scene.world.publish(CaseOpened(case_id=new_id(), person_id=person_id, case_status="Active"))
    scene.world.pass_time(seconds=29)
    assert (await scene.pull(NGO)).status_code == 200, "not far behind yet"
    scene.world.pass_time(seconds=2)
    paused = await scene.pull(NGO)
    assert (paused.status_code, paused.json()["type"]) == (503, "/problems/feed-paused")
    assert "retry-after" in paused.headers
    await scene.world.consume(scene.service)
    assert len(shown(await scene.read(NGO))) == 3


async def test_feeds_pause_when_nobody_watches(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    await scene.read(NGO)
    scene.world.pass_time(seconds=31)
    assert (await scene.partner(NGO, "GET", "/v1/events")).status_code == 503


async def test_feeds_pause_from_the_start_until_what_was_there_is_handled(scene: Scene) -> None:
    """An exchange that begins to follow the others has a long way to go."""
    await scene.world.publish(CaseOpened(case_id=new_id(), person_id=new_id()))
    assert (await scene.pull(NGO)).status_code == 503
    await scene.world.consume(scene.service)
    assert (await scene.pull(NGO)).status_code == 200


async def test_under_steady_load_what_counts_is_how_old_the_backlog_is(scene: Scene) -> None:
    """There is always something under way; yet all that was there a moment ago is handled."""
    watch = Watch(scene.service.parts, topics_of(CONSUMERS))
    await scene.world.publish(CaseOpened(case_id=new_id(), person_id=new_id()))
    await watch.step()
    for _ in range(8):
        scene.world.pass_time(seconds=5)
        await scene.world.consume(scene.service)
        await scene.world.publish(CaseOpened(case_id=new_id(), person_id=new_id()))
        await watch.step()
    assert (await scene.partner(NGO, "GET", "/v1/events")).status_code == 200


async def test_a_broker_that_is_away_is_waited_for(scene: Scene) -> None:
    asked, stop = asyncio.Event(), asyncio.Event()

    class Away:
        async def end_positions(self, _: object) -> Positions:
            asked.set()
            raise BrokerUnavailable("the test says so")

    parts = dataclasses.replace(scene.service.parts, broker=cast(Broker, Away()))
    running = asyncio.create_task(Watch(parts, ["topic"]).run(stop))
    await asyncio.wait_for(asked.wait(), 5)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 5)


@pytest.mark.parametrize("seconds", [0.5, 60])
async def test_how_far_behind_is_a_setting(scene: Scene, seconds: float) -> None:
    await scene.read(NGO)
    settings = scene.service.parts.settings
    scene.service.parts.settings = settings.model_copy(update={"feed_pause_seconds": seconds})
    scene.world.pass_time(seconds=1)
    status = (await scene.partner(NGO, "GET", "/v1/events")).status_code
    assert status == (200 if seconds > 1 else 503)
