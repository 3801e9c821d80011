"""Requests: tokens come and are renewed, a refusal says why, an absent platform is told apart from one
that says no."""

import stat
from pathlib import Path

import pytest

from harness.fake_platform import FakePlatform
from homeward.client.credentials import Credentials, CredentialsUnusable, create
from homeward.client.session import Refused, Session, Unreachable


def test_a_token_is_fetched_once_and_used_again(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/counts"] = (200, {"reports": 1})
    assert session.get("/v1/counts") == {"reports": 1}
    session.get("/v1/counts")
    assert fake.tokens_granted == 1


def test_a_token_is_renewed_before_it_expires(session: Session, fake: FakePlatform) -> None:
    fake.token_seconds = 0
    fake.answers["GET", "/v1/counts"] = (200, {})
    session.get("/v1/counts")
    session.get("/v1/counts")
    assert fake.tokens_granted == 2


def test_parameters_that_are_none_are_left_out(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/events"] = (200, {})
    session.get("/v1/events", cursor=None, limit=5)
    assert fake.requests[-1][1] == "/v1/events?limit=5"


def test_a_refusal_carries_its_problem(session: Session, fake: FakePlatform) -> None:
    problem = {"status": 422, "title": "Not valid", "detail": "One field is wrong.", "errors": []}
    fake.answers["POST", "/v1/consents"] = (422, problem)
    with pytest.raises(Refused, match="One field is wrong") as refused:
        session.post("/v1/consents", {})
    assert refused.value.problem == problem
    assert refused.value.status == 422


@pytest.mark.parametrize("body", [b"<html>", [1, 2], "text"])
def test_an_answer_that_is_no_problem_is_a_refusal_all_the_same(
    session: Session, fake: FakePlatform, body: object
) -> None:
    fake.answers["POST", "/v1/holds"] = (403, body)
    with pytest.raises(Refused) as refused:
        session.post("/v1/holds", {})
    assert refused.value.status == 403


def test_a_get_is_tried_again_while_the_platform_is_away(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/counts"] = [(503, {}), (503, {}), (200, {"reports": 3})]
    assert session.get("/v1/counts") == {"reports": 3}


def test_a_post_is_never_sent_twice_by_itself(session: Session, fake: FakePlatform) -> None:
    fake.answers["POST", "/v1/reports"] = [(503, {}), (201, {})]
    with pytest.raises(Unreachable):
        session.post("/v1/reports", {})
    assert len(fake.requests) == 1


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    create(tmp_path / "c.json", "http://127.0.0.1:9", "me")
    with (
        Session(Credentials.read(tmp_path / "c.json")) as nobody,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"),
    ):
        nobody.post("/v1/reports", {})


def test_credentials_are_for_their_owner_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    public = create(path, "http://x", "me")
    assert "d" not in public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CredentialsUnusable, match="there already"):
        create(path, "http://x", "me")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"base_url": 1, "client_id": "a", "private_jwk": {}}'])
def test_a_file_that_is_no_credentials_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(CredentialsUnusable, match="no credentials file"):
        Credentials.read(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnusable, match="cannot read"):
        Credentials.read(tmp_path / "none.json")
