"""Requests: tokens come and are renewed, a refusal says why, an absent platform is told apart from one
that says no."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from joserfc import jwt

from harness.fake_platform import Answer, FakePlatform
from homeward.client.credentials import Credentials, create
from homeward.client.session import ASSERTION_TYPE, Refused, Session, Stranger, Unreachable

COUNTS = (200, {"reports": 1})


def instead(fake: FakePlatform, answer: Callable[[str, str, bytes], Answer]) -> None:
    """Have ``answer`` answer everything, tokens too."""
    fake.answer = answer  # type: ignore[method-assign, assignment]


class TestTokens:
    """Whoever uses a session need not know that there are tokens."""

    def test_one_is_fetched_and_used_again(self, session: Session, fake: FakePlatform) -> None:
        fake.answers["GET", "/v1/counts"] = COUNTS
        assert session.get("/v1/counts") == session.get("/v1/counts") == {"reports": 1}
        assert fake.tokens_granted == 1

    def test_one_is_renewed_before_it_expires(self, session: Session, fake: FakePlatform) -> None:
        fake.token_seconds = 0
        fake.answers["GET", "/v1/counts"] = COUNTS
        session.get("/v1/counts")
        session.get("/v1/counts")
        assert fake.tokens_granted == 2

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_one_that_no_longer_holds_is_renewed_once(
        self, session: Session, fake: FakePlatform, method: str
    ) -> None:
        fake.answers[method, "/v1/x"] = [(200, {}), (401, {}), (200, {"done": True})]
        session.request(method, "/v1/x")
        assert session.request(method, "/v1/x").json() == {"done": True}
        assert fake.tokens_granted == 2

    def test_a_fresh_one_that_is_refused_is_not_tried_again(
        self, session: Session, fake: FakePlatform
    ) -> None:
        fake.answers["GET", "/v1/x"] = (401, {"detail": "The access token was refused: expired_token."})
        with pytest.raises(Refused, match="expired_token") as refused:
            session.get("/v1/x")
        assert refused.value.status == 401
        assert len(fake.requests) == fake.tokens_granted == 1

    def test_it_is_asked_for_by_a_signed_assertion(self, session: Session, fake: FakePlatform) -> None:
        grants: list[dict[str, list[str]]] = []

        def grant(method: str, path: str, body: bytes) -> Answer:
            grants.append(parse_qs(body.decode()))
            return 200, {"access_token": "t", "expires_in": 300}

        instead(fake, grant)
        assert session.token() == session.token() == "t"
        [asked] = grants
        assert asked["grant_type"] == ["client_credentials"]
        assert asked["client_assertion_type"] == [ASSERTION_TYPE]
        claims = jwt.decode(
            asked["client_assertion"][0], session.credentials.key, algorithms=["Ed25519"]
        ).claims
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("me", "me", fake.base_url)
        assert 0 < claims["exp"] - time.time() <= 120

    def test_it_goes_to_nobody_but_the_platform(self, session: Session, fake: FakePlatform) -> None:
        for path in ("https://elsewhere.example/x", "x", ""):
            with pytest.raises(ValueError, match="begins with /"):
                session.request("GET", path)
        fake.answers["GET", "/x"] = (200, {})
        assert session.get("//elsewhere.example/x") == {}
        assert fake.requests[-1][1] == "/x"


class TestRefusals:
    """What the platform says no to, with its reasons."""

    @pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 429, 500])
    def test_it_carries_its_problem(self, session: Session, fake: FakePlatform, status: int) -> None:
        problem = {"status": status, "title": "Not valid", "detail": "One field is wrong.", "errors": []}
        fake.answers["POST", "/v1/consents"] = (status, problem)
        with pytest.raises(Refused, match="One field is wrong") as refused:
            session.post("/v1/consents", {})
        assert refused.value.problem == problem
        assert refused.value.status == status

    @pytest.mark.parametrize(
        "body", [b"<html>", b"\xff", [1, 2], "text", {"status": "odd"}, {"detail": None}]
    )
    def test_an_answer_that_is_no_problem_is_a_refusal_all_the_same(
        self, session: Session, fake: FakePlatform, body: object
    ) -> None:
        fake.answers["POST", "/v1/holds"] = (403, body)
        with pytest.raises(Refused, match="the platform answered 403") as refused:
            session.post("/v1/holds", {})
        assert refused.value.status == 403

    def test_an_unknown_client_is_told_so_as_oauth_does(self, session: Session, fake: FakePlatform) -> None:
        problem = {"error": "invalid_client", "error_description": "Nobody is known by this id."}
        instead(fake, lambda *_: (401, problem))
        with pytest.raises(Refused, match="Nobody is known by this id") as refused:
            session.get("/v1/counts")
        assert refused.value.status == 401


class TestAway:
    """A platform that is not there, for a moment or at all."""

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_get_is_tried_again(self, session: Session, fake: FakePlatform, status: int) -> None:
        fake.answers["GET", "/v1/counts"] = [(status, {}), (status, b"<html>"), (200, {"reports": 3})]
        assert session.get("/v1/counts") == {"reports": 3}

    def test_a_post_is_never_sent_twice_by_itself(self, session: Session, fake: FakePlatform) -> None:
        fake.answers["POST", "/v1/reports"] = [(503, {"detail": "Away."}), (201, {})]
        with pytest.raises(Unreachable, match=r"Away\."):
            session.post("/v1/reports", {})
        assert len(fake.requests) == 1

    def test_a_refusal_is_not_tried_again(self, session: Session, fake: FakePlatform) -> None:
        fake.answers["GET", "/v1/x"] = [(500, {}), (200, {})]
        with pytest.raises(Refused):
            session.get("/v1/x")
        assert len(fake.requests) == 1

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_an_address_where_nobody_ever_answered_is_not_waited_for(
        self, tmp_path: Path, method: str
    ) -> None:
        create(tmp_path / "c.json", "http://127.0.0.1:9", "me")
        started = time.monotonic()
        with (
            Session(Credentials.read(tmp_path / "c.json")) as nobody,
            pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 does not answer \(ConnectError\)"),
        ):
            nobody.request(method, "/v1/reports")
        assert time.monotonic() - started < 5

    @pytest.mark.parametrize("answer", [b"<html>hello", [], {"access_token": "t"}, {"expires_in": "x"}])
    def test_somebody_else_at_its_address_is_told_apart(
        self, session: Session, fake: FakePlatform, answer: object
    ) -> None:
        instead(fake, lambda *_: (200, answer))
        with pytest.raises(Stranger, match="answers, but not as Homeward does"):
            session.get("/v1/counts")

    def test_a_page_that_is_no_json_is_not_homewards(self, session: Session, fake: FakePlatform) -> None:
        fake.answers["GET", "/v1/counts"] = (200, b"<html>")
        with pytest.raises(Stranger):
            session.get("/v1/counts")


def test_parameters_that_are_none_are_left_out(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/events"] = (200, {})
    session.get("/v1/events", cursor=None, limit=5)
    assert fake.requests[-1][1] == "/v1/events?limit=5"


def test_a_body_is_sent_as_json(session: Session, fake: FakePlatform) -> None:
    fake.answers["POST", "/v1/reports"] = (201, {})
    session.post("/v1/reports", {"full_name": "王星"})
    assert json.loads(fake.requests[-1][2]) == {"full_name": "王星"}
