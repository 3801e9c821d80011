"""A feed followed by a partner's program, with ``async`` and without: nothing lost, nothing twice, and what
passes by itself is waited for."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.fake_platform import Answer, FakePlatform
from homeward.client.course import Parser, Told
from homeward.client.credentials import create
from homeward.client.sdk import (
    AsyncClient,
    Client,
    Credentials,
    CursorFile,
    CursorInMemory,
    CursorStore,
    Refused,
    Stranger,
    Unreachable,
)

PATH = ("GET", "/v1/events/stream")
Follow = Callable[[Credentials, CursorStore, int], list[Any]]
"""The ids of so many events; whatever ends it before comes out."""


def plain(credentials: Credentials, store: CursorStore, count: int) -> list[Any]:
    with Client(credentials, sleep=lambda _: None) as client:
        following = client.events.follow(cursor_store=store)
        return [next(following)["id"] for _ in range(count)]


def with_async(credentials: Credentials, store: CursorStore, count: int) -> list[Any]:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    async def follow() -> list[Any]:
        async with AsyncClient(credentials, sleep=at_once) as client:
            following = client.events.follow(cursor_store=store)
            try:
                return [(await anext(following))["id"] for _ in range(count)]
            finally:
                await following.aclose()  # type: ignore[attr-defined]

    return asyncio.run(follow())


@pytest.fixture(params=[plain, with_async])
def follow(request: pytest.FixtureRequest) -> Follow:
    chosen: Follow = request.param
    return chosen


@pytest.fixture
def me(credentials: Path) -> Credentials:
    return Credentials.read(credentials)


def event(number: int, **more: Any) -> str:
    return f"data: {json.dumps({'id': str(number), **more}, ensure_ascii=False)}\nid: c{number}\n\n"


def beat(cursor: str) -> str:
    return f"event: heartbeat\ndata: {{}}\nid: {cursor}\n\n"


def stream(*told: str) -> Answer:
    return 200, "".join(("retry: 1000\n\n", *told)).encode(), {"content-type": "text/event-stream"}


def problem(status: int, slug: str) -> str:
    body = {"type": f"/problems/{slug}", "title": "No", "status": status, "detail": "Told no."}
    return f"event: problem\ndata: {json.dumps(body)}\n\n"


def asked_from(fake: FakePlatform) -> list[str | None]:
    """Behind which event each request for a stream asked."""
    return [h.get("last-event-id") for h in fake.headers if h.get("accept") == "text/event-stream"]


def test_a_stream_that_ends_is_asked_for_again_behind_the_last_event(
    follow: Follow, fake: FakePlatform, me: Credentials
) -> None:
    fake.answers[PATH] = [stream(event(1), event(2)), stream(), stream(event(3))]
    assert follow(me, CursorInMemory(), 3) == ["1", "2", "3"]
    assert asked_from(fake) == [None, "c2", "c2"]
    assert fake.tokens_granted == 1


def test_it_goes_on_from_the_stored_cursor(
    follow: Follow, fake: FakePlatform, me: Credentials, tmp_path: Path
) -> None:
    store = CursorFile(tmp_path / "cursor")
    fake.answers[PATH] = [stream(event(1), event(2), event(3)), stream(event(2))]
    assert follow(me, store, 2) == ["1", "2"]
    assert store.load() == "c1", "the second was being handled"
    assert follow(me, store, 1) == ["2"]
    assert asked_from(fake) == [None, "c1"]


def test_a_heartbeat_moves_the_cursor(follow: Follow, fake: FakePlatform, me: Credentials) -> None:
    fake.answers[PATH] = [stream(beat("c0")), stream(event(1))]
    store = CursorInMemory()
    assert follow(me, store, 1) == ["1"]
    assert (store.load(), asked_from(fake)) == ("c0", [None, "c0"])


@pytest.mark.parametrize(
    "passing",
    [
        (503, {"detail": "Paused."}, {"retry-after": "2"}),
        (429, {"detail": "Enough."}, {"retry-after": "x"}),
        (500, {}),
        (502, b"<html>"),
        stream(problem(401, "token-refused")),
    ],
)
def test_what_passes_by_itself_is_waited_for(
    follow: Follow, fake: FakePlatform, me: Credentials, passing: Answer
) -> None:
    fake.answers[PATH] = [passing, passing, stream(event(1))]
    assert follow(me, CursorInMemory("c0"), 1) == ["1"]
    assert asked_from(fake) == ["c0"] * 3


@pytest.mark.parametrize(
    "no",
    [
        (410, {"detail": "Told no.", "type": "/problems/feed-restored"}),
        (403, {"detail": "Told no."}),
        stream(event(7), problem(403, "partner-suspended")),
        stream(event(7), problem(410, "feed-restored")),
    ],
)
def test_a_no_that_stays_one_is_told(follow: Follow, fake: FakePlatform, me: Credentials, no: Answer) -> None:
    fake.answers[PATH] = [no]
    with pytest.raises(Refused, match=r"Told no\.") as refused:
        follow(me, CursorInMemory(), 2)
    assert refused.value.status in {403, 410}
    assert len(asked_from(fake)) == 1


def test_a_token_that_holds_no_longer_is_renewed(follow: Follow, fake: FakePlatform, me: Credentials) -> None:
    fake.answers[PATH] = [stream(event(1)), (401, {}), stream(event(2))]
    assert follow(me, CursorInMemory(), 2) == ["1", "2"]
    assert fake.tokens_granted == 2


def test_a_fresh_token_that_is_refused_is_told(follow: Follow, fake: FakePlatform, me: Credentials) -> None:
    fake.answers[PATH] = [(401, {"detail": "Not yours."})]
    with pytest.raises(Refused, match="Not yours"):
        follow(me, CursorInMemory(), 1)


def test_a_proof_is_made_with_the_nonce_that_is_wanted(
    follow: Follow, fake: FakePlatform, me: Credentials
) -> None:
    wanted = {"dpop-nonce": "n1", "www-authenticate": 'DPoP error="use_dpop_nonce"'}
    answers: Iterator[Answer] = iter(
        [
            (400, {"error": "use_dpop_nonce"}, {"dpop-nonce": "n0"}),
            (200, {"access_token": "t", "token_type": "DPoP", "expires_in": 300}),
            (401, {}, wanted),
            stream(event(1)),
        ]
    )
    fake.answer = lambda *_: next(answers)  # type: ignore[method-assign]
    assert follow(me, CursorInMemory(), 1) == ["1"]
    proofs = [headers["dpop"] for headers in fake.headers]
    assert len({*proofs}) == 4
    assert [headers.get("authorization") for headers in fake.headers] == [None, None, "DPoP t", "DPoP t"]


def test_an_address_where_nobody_ever_answered_is_not_waited_for(follow: Follow, tmp_path: Path) -> None:
    create(tmp_path / "c.json", "http://127.0.0.1:9", "me")
    with pytest.raises(Unreachable):
        follow(Credentials.read(tmp_path / "c.json"), CursorInMemory(), 1)


def test_something_else_at_the_address_is_told_apart(
    follow: Follow, fake: FakePlatform, me: Credentials
) -> None:
    fake.answers[PATH] = (200, b"<html>")
    with pytest.raises(Stranger):
        follow(me, CursorInMemory(), 1)


def test_a_cut_in_the_middle_of_an_event_does_not_spoil_it(
    follow: Follow, fake: FakePlatform, me: Credentials
) -> None:
    fake.answers[PATH] = [stream(event(1), event(2)[:20]), stream(event(2))]
    assert follow(me, CursorInMemory(), 2) == ["1", "2"]
    assert asked_from(fake) == [None, "c1"]


def test_only_a_line_feed_ends_a_line() -> None:
    odd = "a\u2028b\u0085c\x0bd\x1ce"
    raw = event(1, text=odd).encode()
    for size in (1, 3, len(raw)):
        parser = Parser()
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        [told] = [told for piece in pieces for told in parser.feed(piece)]
        assert (told.name, told.id) == ("message", "c1")
        assert json.loads(told.data)["text"] == odd


def test_what_a_parser_need_not_know_is_passed_over() -> None:
    raw = b": ping\n\nretry: 5\n\nid: c0\n\nnew: x\ndata: 1\r\ndata:2\nevent\n\n"
    assert list(Parser().feed(raw)) == [Told("message", None, "1\n2")]


def test_acknowledging_says_how_far(fake: FakePlatform, me: Credentials) -> None:
    fake.answers["POST", "/v1/events/ack"] = (200, {"sequence": 7})
    with Client(me) as client:
        assert client.events.acknowledge(5) == 7

    async def acknowledge() -> int:
        async with AsyncClient(me) as client:
            return await client.events.acknowledge(5)

    assert asyncio.run(acknowledge()) == 7
    assert [json.loads(body) for _, _, body in fake.requests] == [{"sequence": 5}] * 2
