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


def test_a_feed_with_nothing_in_it_has_no_page(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/events"] = page(cursor="c0", more=False)
    assert list(feed.pages(session, "c0")) == []
    assert len(fake.requests) == 1


def test_an_empty_page_in_between_is_passed_over(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/events"] = [
        page(1, cursor="c1", more=True),
        page(cursor="c5", more=True),
        page(6, cursor="c6", more=False),
    ]
    assert [cursor for _, cursor in feed.pages(session)] == ["c1", "c6"]
    assert "cursor=c5" in fake.requests[2][1]


def test_a_feed_that_is_away_for_a_moment_is_read_on(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/events"] = [
        page(1, cursor="c1", more=True),
        (503, {}),
        page(2, cursor="c2", more=False),
    ]
    assert len(list(feed.pages(session))) == 2


def test_a_crash_while_a_page_is_handled_repeats_it(
    session: Session, fake: FakePlatform, tmp_path: Path
) -> None:
    store = tmp_path / "cursor"
    fake.answers["GET", "/v1/events"] = [page(1, 2, cursor="c2", more=False)]
    assert next(feed.follow(session, store))["id"] == "1"
    assert not store.exists()
    fake.answers["GET", "/v1/events"] = [page(1, 2, cursor="c2", more=False)]
    assert next(feed.follow(session, store))["id"] == "1"


def test_following_asks_the_platform_to_wait(session: Session, fake: FakePlatform, tmp_path: Path) -> None:
    fake.answers["GET", "/v1/events"] = [page(cursor="c0", more=False), page(1, cursor="c1", more=False)]
    assert next(feed.follow(session, tmp_path / "cursor", limit=7))["id"] == "1"
    assert all("wait=30" in path and "limit=7" in path for _, path, _ in fake.requests)
    assert (tmp_path / "cursor").read_text() == "c0\n"


def test_an_empty_store_is_the_beginning(session: Session, fake: FakePlatform, tmp_path: Path) -> None:
    (tmp_path / "cursor").write_text("\n")
    fake.answers["GET", "/v1/events"] = [page(1, cursor="c1", more=False)]
    next(feed.follow(session, tmp_path / "cursor"))
    assert "cursor=" not in fake.requests[0][1]
