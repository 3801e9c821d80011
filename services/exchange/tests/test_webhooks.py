"""Webhooks: every event arrives, in order, signed and decided at that moment; whoever does not answer well
is tried again, later and later."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, cast

import httpx
import pytest
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError

from homeward.client.webhooks import Forged, verify
from homeward.common.contracts import EventsRead, WebhookChanged
from homeward.exchange.judge import Judge
from homeward.exchange.settings import Settings
from homeward.exchange.webhooks import Webhooks, pause

from .receiver import OK, Answer, Receiver, drip, hang, receiver, status
from .scene import NGO, POLICE, RETRACTED, TOMBSTONE, Scene, consent, report

PATH = "/v1/own/webhook"
LOCAL = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as here:
        yield here


@pytest.fixture(autouse=True)
async def here_is_allowed(scene: Scene) -> None:
    more = {"webhook_networks": LOCAL, "webhook_seconds": 5.0}
    scene.service.parts.settings = scene.service.parts.settings.model_copy(update=more)
    await scene.pull(NGO)


async def own(scene: Scene, method: str, path: str = "", body: Any = None, **options: Any) -> httpx.Response:
    """A request of the NGO about its webhook."""
    options |= {"json": body} if body is not None else {}
    return await scene.partner(NGO, method, PATH + path, **options)


async def register(scene: Scene, hook: Receiver, **more: Any) -> str:
    """Have the NGO be told there; the secret."""
    answer = await own(scene, "PUT", body={"url": hook.url, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["secret"])


def sender(scene: Scene) -> Webhooks:
    parts = scene.service.parts
    return Webhooks(parts, cast(Judge, parts.own["judge"]), cast(Settings, parts.settings))


async def send(scene: Scene) -> None:
    """Until nothing is due."""
    webhooks = sender(scene)
    while due := await webhooks.due(10):
        for row in due:
            await webhooks.turn(row)


def events(hook: Receiver) -> list[Any]:
    return [json.loads(body) for _, body in hook.came]


async def test_events_arrive_as_the_feed_has_them(scene: Scene, hook: Receiver) -> None:
    secret = await register(scene, hook)
    for _ in range(15):
        await scene.known(report(consent(NGO)))
    await send(scene)
    items = await scene.read(NGO)
    assert len(items) == 30
    assert events(hook) == items
    for (headers, body), item in zip(hook.came, items, strict=True):
        assert verify(secret, headers, body, now=scene.world.now.timestamp) == item
        assert headers["webhook-id"] == item["id"]
        assert headers["host"] == hook.url.split("/")[2]
    state = (await own(scene, "GET")).json()
    assert (state["delivered_sequence"], state["last_sequence"], state["failures"]) == (30, 30, 0)
    await send(scene)
    assert len(hook.came) == 30


async def test_each_attempt_is_recorded_before(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    hook.answers = [status(500), OK]
    await send(scene)
    assert len(await scene.world.said(scene.service, EventsRead)) == 1
    scene.world.pass_time(seconds=5)
    await scene.pull(POLICE)
    await send(scene)
    reads = await scene.world.said(scene.service, EventsRead)
    assert [(read.first_seq, read.last_seq) for read in reads] == [(1, 1), (1, 1), (2, 2)]


async def test_each_attempt_is_decided_again(scene: Scene, hook: Receiver) -> None:
    """What was withdrawn while the receiver was away does not come when it is back."""
    await register(scene, hook)
    person_id = await scene.known(report(consent(NGO)))
    hook.answers = [status(503)]
    await send(scene)
    await scene.withdraw(person_id, recipient=NGO["agency"])
    scene.world.pass_time(seconds=60)
    await scene.pull(POLICE)
    hook.came, hook.answers = [], [OK]
    await send(scene)
    assert [event["type"] for event in events(hook)] == [TOMBSTONE, TOMBSTONE, RETRACTED, RETRACTED]
    assert "示例甲" not in str(events(hook))


async def test_ids_alone(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook, payload="ids")
    await scene.known(report(consent(NGO)))
    await send(scene)
    items = await scene.read(NGO)
    assert events(hook) == [{k: v for k, v in item.items() if k != "data"} for item in items]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (status(500), "status-500"),
        (status(404), "status-404"),
        (status(302, "location: http://127.0.0.1:1/"), "status-302"),
        (status(307, "location: http://169.254.169.254/latest"), "status-307"),
        (status(500, body=b"x" * 2_000_000), "status-500"),
        (b"SSH-2.0\r\n", "connection-failed"),
        (b"", "connection-failed"),
        (hang, "timeout"),
        (drip, "timeout"),
    ],
)
async def test_whoever_does_not_answer_well_is_tried_again(
    scene: Scene, hook: Receiver, answer: Answer, problem: str
) -> None:
    if problem == "timeout":
        more = {"webhook_seconds": 0.5}
        scene.service.parts.settings = scene.service.parts.settings.model_copy(update=more)
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    hook.answers = [answer]
    await send(scene)
    assert len(hook.came) == 1, "what comes behind it waits"
    state = (await own(scene, "GET")).json()
    assert (state["failures"], state["last_problem"], state["disabled"]) == (1, problem, None)
    assert state["failing_since"]
    assert state["next_attempt_at"] > state["failing_since"]


async def test_a_large_answer_is_an_answer(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    hook.answers = [status(200, body=b"x" * 2_000_000)]
    await send(scene)
    assert len(hook.came) == 2


async def test_a_day_of_failures_and_then_all_of_it(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    for _ in range(3):
        await scene.known(report(consent(NGO)))
    hook.answers = [status(500)]
    for _ in range(24 * 60):
        await send(scene)
        scene.world.pass_time(minutes=1)
        await scene._watch.step()
    assert 8 <= len(hook.came) <= 20, "later and later"
    assert {headers["webhook-id"] for headers, _ in hook.came} == {events(hook)[0]["id"]}
    assert (await own(scene, "GET")).json()["disabled"] is None
    hook.came, hook.answers = [], [OK]
    scene.world.pass_time(hours=8)
    await scene.pull(POLICE)
    await send(scene)
    assert events(hook) == await scene.read(NGO)


async def test_days_of_failures_disable_it_until_it_is_told_to_go_on(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    hook.answers = [status(500)]
    for _ in range(30):
        await send(scene)
        scene.world.pass_time(hours=8)
        await scene.pull(POLICE)
    assert (await own(scene, "GET")).json()["disabled"] == "failing"
    tried = len(hook.came)
    hook.answers = [OK]
    await send(scene)
    assert len(hook.came) == tried
    await register(scene, hook)
    await send(scene)
    assert events(hook)[tried:] == await scene.read(NGO)


async def test_gone_disables_it_at_once(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    hook.answers = [status(410)]
    await send(scene)
    scene.world.pass_time(days=1)
    await scene.pull(POLICE)
    await send(scene)
    assert len(hook.came) == 1
    state = (await own(scene, "GET")).json()
    assert (state["disabled"], state["next_attempt_at"]) == ("gone", None)


async def test_recovering_sends_everything_since(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    scene.world.pass_time(seconds=10)
    since = scene.world.now.isoformat()
    await scene.known(report(consent(NGO)))
    await send(scene)
    hook.came = []
    assert (await own(scene, "POST", "/recover", {"since": since})).json()["delivered_sequence"] == 2
    await send(scene)
    assert events(hook) == (await scene.read(NGO))[2:]


async def test_two_secrets_are_good_while_one_takes_the_others_place(scene: Scene, hook: Receiver) -> None:
    first = await register(scene, hook)
    assert await register(scene, hook) == first, "registering again changes no secret"
    answer = (await own(scene, "POST", "/rotate-secret")).json()
    second = answer["secret"]
    assert answer["former_secret_until"]
    assert (await own(scene, "POST", "/rotate-secret")).status_code == 409
    assert await register(scene, hook) == second, "should the answer have been lost"
    await scene.known(report(consent(NGO)))
    await send(scene)

    def now() -> float:
        return scene.world.now.timestamp()

    for headers, body in hook.came:
        assert verify(first, headers, body, now=now) == verify([second], headers, body, now=now)
    scene.world.pass_time(days=1, seconds=1)
    await scene.pull(POLICE)
    await scene.known(report(consent(NGO)))
    hook.came = []
    await send(scene)
    for headers, body in hook.came:
        verify(second, headers, body, now=now)
        with pytest.raises(Forged):
            verify(first, headers, body, now=now)
    assert (await own(scene, "GET")).json()["former_secret_until"] is None


async def test_a_test_message_says_whether_it_arrived(scene: Scene, hook: Receiver) -> None:
    secret = await register(scene, hook)
    assert (await own(scene, "POST", "/test")).json() == {"delivered": True, "problem": None}
    [(headers, body)] = hook.came
    assert verify(secret, headers, body, now=scene.world.now.timestamp)["type"] == "homeward.webhook.test.v1"
    hook.answers = [status(500)]
    assert (await own(scene, "POST", "/test")).json() == {"delivered": False, "problem": "status-500"}
    assert (await own(scene, "GET")).json()["failures"] == 0, "nothing else is changed by it"


async def test_a_suspended_partner_is_told_nothing(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    await send(scene)
    assert hook.came == []
    assert (await own(scene, "GET")).status_code == 403
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/resume")
    await send(scene)
    assert len(hook.came) >= 2


async def test_one_that_is_removed_is_sent_to_no_more(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    assert (await own(scene, "DELETE")).status_code == 204
    await scene.known(report(consent(NGO)))
    await send(scene)
    assert hook.came == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret")):
        assert (await own(scene, method, path)).status_code == 404


async def test_one_that_another_process_has_is_left_alone(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.known(report(consent(NGO)))
    [row] = await sender(scene).due(10)
    assert await sender(scene).due(10) == []
    scene.world.pass_time(seconds=16)
    await scene.pull(POLICE)
    await send(scene)
    assert len(hook.came) == 2, "its time was over"
    await sender(scene).turn(row)
    assert (await own(scene, "GET")).json()["delivered_sequence"] == 2
    assert len(hook.came) == 3, "it may come twice, with the same id"
    assert len({headers["webhook-id"] for headers, _ in hook.came}) == 2


async def test_a_restored_feed_is_not_sent_by_itself(scene: Scene, hook: Receiver) -> None:
    await register(scene, hook)
    await scene.world.execute(scene.service, "INSERT INTO relay_state VALUES (0, 2, 0, 0)")
    await scene.known(report(consent(NGO)))
    await send(scene)
    assert hook.came == []
    assert (await own(scene, "GET")).json()["disabled"] == "feed-restored"
    await own(scene, "POST", "/recover", {"since": "2020-01-01T00:00:00Z"})
    await send(scene)
    assert len(hook.came) == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/", "address-not-allowed"),
        ("https://169.254.169.254/latest/meta-data", "address-not-allowed"),
        ("https://[::1]/", "address-not-allowed"),
        ("https://2852039166/", "address-not-allowed"),
        ("https://0x0a000001/", "address-not-allowed"),
        ("http://8.8.8.8/", "https-needed"),
        ("ftp://example.org/", "not_an_address"),
        ("https://user:secret@example.org/", "not_an_address"),
        ("https:///x", "not_an_address"),
        ("x", "not_an_address"),
        ("https://示例.example/", "not_an_address"),
    ],
)
async def test_where_webhooks_cannot_be(scene: Scene, url: str, code: str) -> None:
    refused = await own(scene, "PUT", body={"url": url})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)
    assert url not in refused.text


def test_pauses_become_longer_and_differ() -> None:
    for failures, longest in ((1, 5), (2, 20), (5, 1_280), (9, 28_800), (50, 28_800)):
        pauses = [pause(failures) for _ in range(50)]
        assert all(longest / 2 <= one <= longest for one in pauses)
        assert len({*pauses}) > 1


async def test_a_message_is_what_standard_webhooks_says(scene: Scene, hook: Receiver) -> None:
    """Verified by that project's own library, by the time of this machine."""
    scene.world.now = datetime.now(UTC)
    secret = await register(scene, hook)
    await own(scene, "POST", "/test")
    [(headers, body)] = hook.came
    theirs = StandardWebhook(secret)
    assert theirs.verify(body, headers)["type"] == "homeward.webhook.test.v1"
    with pytest.raises(WebhookVerificationError):
        theirs.verify(body + b" ", headers)


async def test_who_hangs_keeps_nobody_else_waiting(scene: Scene, hook: Receiver) -> None:
    async with receiver() as slow:
        slow.answers = [hang]
        await register(scene, hook)
        answer = await scene.partner(POLICE, "PUT", PATH, json={"url": slow.url})
        assert answer.status_code == 200
        await scene.known(report(consent(NGO), consent(POLICE)))
        stop = asyncio.Event()
        running = asyncio.create_task(sender(scene).run(stop))
        async with asyncio.timeout(30):
            while len(hook.came) < 2 or not slow.came:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        stop.set()
        await asyncio.wait_for(running, 10)
    assert events(hook) == await scene.read(NGO)


async def test_the_log_says_what_was_done_to_it_and_of_the_address_the_host_alone(
    scene: Scene, hook: Receiver
) -> None:
    await register(scene, hook)
    await own(scene, "POST", "/rotate-secret")
    await own(scene, "POST", "/recover", {"since": "2025-01-01T00:00:00Z"})
    await own(scene, "DELETE")
    told = await scene.world.said(scene.service, WebhookChanged)
    assert [one.change for one in told] == ["set", "secret-rotated", "recovered", "removed"]
    assert [one.host for one in told] == ["127.0.0.1", None, None, None]
