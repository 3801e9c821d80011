"""A feed is read to its end, and followed from where we were."""

from pathlib import Path

from harness.fake_platform import FakePlatform
from homeward.client import feed
from homeward.client.session import Session


def page(*sequences: int, cursor: str, more: bool) -> tuple[int, object]:
    events = [{"sequence": f"{n:020d}", "id": str(n)} for n in sequences]
    return 200, {"events": events, "cursor": cursor, "more": more}


def test_pages_come_until_caught_up(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/events"] = [
        page(1, 2, cursor="c2", more=True),
        page(3, cursor="c3", more=False),
    ]
    read = list(feed.pages(session, limit=2))
    assert [[event["id"] for event in events] for events, _ in read] == [["1", "2"], ["3"]]
    assert read[-1][1] == "c3"
    assert "cursor=c2" in fake.requests[1][1]


def test_following_goes_on_from_the_stored_cursor(
    session: Session, fake: FakePlatform, tmp_path: Path
) -> None:
    store = tmp_path / "cursor"
    fake.answers["GET", "/v1/events"] = [page(1, cursor="c1", more=False), page(2, cursor="c2", more=False)]
    following = feed.follow(session, store)
    assert [next(following)["id"], next(following)["id"]] == ["1", "2"]
    assert store.read_text() == "c1\n", "the second page is not done with yet"
    fake.answers["GET", "/v1/events"] = [page(2, cursor="c2", more=False)]
    assert next(feed.follow(session, store))["id"] == "2"
    assert "cursor=c1" in fake.requests[-1][1]


def test_acknowledging_says_how_far(session: Session, fake: FakePlatform) -> None:
    fake.answers["POST", "/v1/events/ack"] = (200, {"sequence": 7})
    assert feed.acknowledge(session, 5) == 7
