"""One page, in the form that is asked for."""

import hashlib
import json
from typing import Any

import httpx
import pytest

from homeward.common.contracts import EventsRead

from .scene import NGO, POLICE, Scene, consent, report

BATCH, LINES = "application/cloudevents-batch+json", "application/x-ndjson"


async def pull(scene: Scene, accept: str, **query: Any) -> httpx.Response:
    return await scene.partner(NGO, "GET", "/v1/events", params=query, headers={"Accept": accept})


async def test_the_same_events_come_in_every_form(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    whole = (await scene.pull(NGO, limit=1)).json()
    for accept in (BATCH, LINES):
        page = await pull(scene, accept, limit=1)
        assert page.headers["content-type"] == accept
        assert (page.headers["homeward-cursor"], page.headers["homeward-more"]) == (whole["cursor"], "true")
        text = page.text if accept == BATCH else "[" + ",".join(page.text.splitlines()) + "]"
        assert json.loads(text) == whole["events"]
    digests = {read.page_digest for read in await scene.world.said(scene.service, EventsRead)}
    assert digests == {hashlib.sha256((await pull(scene, BATCH, limit=1)).content).hexdigest()}


async def test_a_page_goes_on_where_another_ended_in_another_form(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    items = await scene.read(NGO)
    first = await pull(scene, LINES, limit=1)
    rest = await pull(scene, BATCH, cursor=first.headers["homeward-cursor"])
    assert [json.loads(first.text), *rest.json()] == items
    end = await pull(scene, LINES, cursor=rest.headers["homeward-cursor"])
    assert (end.status_code, end.content, end.headers["homeward-more"]) == (200, b"", "false")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("application/*", "application/json"),
        (f"{LINES};q=0.5, {BATCH};q=0.9", BATCH),
        (f"application/json;q=0, {LINES}", LINES),
        ("application/json;q=0, */*;q=0.1", BATCH),
        (f"{BATCH.upper()} ; q=1", BATCH),
        (f"text/html, {LINES};q=0.1", LINES),
        (f"{LINES};q=nonsense, {BATCH};q=0.2", BATCH),
    ],
)
async def test_accept_chooses(scene: Scene, accept: str, form: str) -> None:
    await scene.pull(NGO)
    assert (await pull(scene, accept)).headers["content-type"] == form


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream", "application/json;q=0", ";", ","])
async def test_a_form_that_there_is_not(scene: Scene, accept: str) -> None:
    refused = await pull(scene, accept)
    assert (refused.status_code, refused.json()["type"]) == (406, "/problems/not-acceptable")


async def test_reading_begins_at_a_time(scene: Scene) -> None:
    times = []
    for _ in range(3):
        await scene.known(report(consent(NGO)))
        times.append(scene.world.now)
        scene.world.pass_time(seconds=10)
    items = await scene.read(NGO)
    assert len(items) == 6
    for place, at in enumerate(times):
        page = (await scene.pull(NGO, **{"from": at.isoformat()})).json()
        assert page["events"] == items[2 * place :], "what is of that very time comes too"
    later = (await scene.pull(NGO, **{"from": scene.world.now.isoformat()})).json()
    assert (later["events"], later["more"]) == ([], False)
    await scene.known(report(consent(NGO)))
    assert len((await scene.pull(NGO, cursor=later["cursor"])).json()["events"]) == 2
    assert (await scene.pull(POLICE, **{"from": times[0].isoformat()})).json()["events"] == []


@pytest.mark.parametrize(
    "at", ["", "x", "2025-01-07T09:30:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
async def test_a_time_that_is_none(scene: Scene, at: str) -> None:
    refused = await scene.pull(NGO, **{"from": at})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "from")


async def test_there_is_one_place_to_begin(scene: Scene) -> None:
    cursor = (await scene.pull(NGO)).json()["cursor"]
    refused = await scene.pull(NGO, cursor=cursor, **{"from": scene.world.now.isoformat()})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "two_starts")


async def test_a_cursor_of_a_feed_before_a_restore_says_where_to_go_on(scene: Scene) -> None:
    cursor = (await scene.pull(NGO)).json()["cursor"]
    await scene.world.execute(scene.service, "INSERT INTO relay_state VALUES (0, 2, 0, 0)")
    gone = await scene.pull(NGO, cursor=cursor)
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/feed-restored")
    assert (await scene.pull(NGO, **{"from": "2020-01-01T00:00:00Z"})).status_code == 200
    assert (await scene.partner(NGO, "GET", gone.json()["continue_at"])).status_code == 200
