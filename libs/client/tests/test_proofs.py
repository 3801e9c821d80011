"""Tokens that are bound to a key: whoever uses a session need not know that there are proofs."""

from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import OKPKey

from harness.fake_platform import Answer, FakePlatform
from homeward.client.session import Refused, Session

NONCE = {"DPoP-Nonce": "n1"}
TOKEN = {"access_token": "t", "token_type": "DPoP", "expires_in": 300}
WANTED = {"error": "use_dpop_nonce", "error_description": "Make a proof with the nonce."}
CHALLENGE = {"DPoP-Nonce": "n2", "WWW-Authenticate": 'DPoP error="use_dpop_nonce"'}


class Bound:
    """A platform that binds tokens, and wants nonces."""

    def __init__(self, fake: FakePlatform, *answers: Answer) -> None:
        self.fake = fake
        self.answers = list(answers)
        self.granted = 0
        fake.answer = self.answer  # type: ignore[method-assign]

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if path != "/oauth/token":
            self.fake.requests.append((method, path, body))
            return self.answers.pop(0)
        if "nonce" not in read(self.fake.headers[-1]["dpop"]):
            return 400, WANTED, NONCE
        self.granted += 1
        return 200, TOKEN, NONCE


def read(proof: str) -> dict[str, Any]:
    """What a proof claims, once it is seen to be signed by the key that it names."""
    header = jws.extract_compact(proof.encode()).headers()
    assert (header["typ"], header["alg"], header["jwk"].get("d")) == ("dpop+jwt", "Ed25519", None)
    claims = jwt.decode(proof, OKPKey.import_key(header["jwk"]), algorithms=["Ed25519"]).claims
    return {**claims, "key": header["jwk"]["x"]}


def test_every_request_has_a_proof_of_its_own(session: Session, fake: FakePlatform) -> None:
    Bound(fake, (200, {}), (201, {}))
    session.get("/v1/counts", limit=5)
    session.post("/v1/reports", {})
    asked, again, counted, posted = (read(headers["dpop"]) for headers in fake.headers)
    assert [headers.get("authorization") for headers in fake.headers] == [None, None, "DPoP t", "DPoP t"]
    assert (asked["htm"], asked["htu"]) == ("POST", f"{fake.base_url}/oauth/token")
    assert ("nonce" in asked, again["nonce"], counted["nonce"], posted["nonce"]) == (False, *["n1"] * 3)
    assert (counted["htm"], counted["htu"]) == ("GET", f"{fake.base_url}/v1/counts")
    assert (posted["htm"], posted["htu"]) == ("POST", f"{fake.base_url}/v1/reports")
    # RFC 9449 §4.1: the SHA-256 of the token "t"
    assert "ath" not in asked
    assert counted["ath"] == posted["ath"] == "47mKTaMaEn1L3m5DAz9muidMqw636xxw7EFAK_YnPdg"
    assert len({one["jti"] for one in (asked, again, counted, posted)}) == 4
    assert len({one["key"] for one in (asked, again, counted, posted)}) == 1
    assert asked["key"] != session.credentials.key.as_dict(private=False)["x"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_newer_nonce_that_is_wanted_is_used_at_once(
    session: Session, fake: FakePlatform, method: str
) -> None:
    platform = Bound(fake, (401, {}, CHALLENGE), (200, {"done": True}), (200, {}))
    assert session.request(method, "/v1/x").json() == {"done": True}
    session.request(method, "/v1/x")
    assert [read(headers["dpop"]).get("nonce") for headers in fake.headers] == [None, "n1", "n1", "n2", "n2"]
    assert platform.granted == 1


def test_a_nonce_that_comes_with_an_answer_is_used_from_then_on(session: Session, fake: FakePlatform) -> None:
    Bound(fake, (200, {}, {"DPoP-Nonce": "n3"}), (200, {}))
    session.get("/v1/x")
    session.get("/v1/x")
    assert read(fake.headers[-1]["dpop"])["nonce"] == "n3"
    assert len(fake.requests) == 2


def test_a_platform_that_wants_nonce_after_nonce_is_not_asked_for_ever(
    session: Session, fake: FakePlatform
) -> None:
    Bound(fake, *[(401, {"detail": "The proof was refused."}, CHALLENGE) for _ in range(9)])
    with pytest.raises(Refused, match="The proof was refused"):
        session.get("/v1/x")
    assert len(fake.requests) <= 4


def test_another_session_has_another_key(session: Session, fake: FakePlatform) -> None:
    Bound(fake, (200, {}), (200, {}))
    session.get("/v1/x")
    with Session(session.credentials) as other:
        other.get("/v1/x")
    assert len({read(headers["dpop"])["key"] for headers in fake.headers}) == 2


def test_an_issuer_that_binds_nothing_is_served_as_before(session: Session, fake: FakePlatform) -> None:
    fake.answers["GET", "/v1/x"] = (200, {})
    session.get("/v1/x")
    assert fake.headers[-1]["authorization"] == "Bearer t1"
    assert "dpop" not in fake.headers[-1]


def test_others_may_send_what_a_session_authorises(session: Session, fake: FakePlatform) -> None:
    Bound(fake)
    first, second = session.headers("GET", "/v1/events"), session.headers("GET", "/v1/events")
    assert first["Authorization"] == second["Authorization"] == "DPoP t"
    assert read(first["DPoP"])["jti"] != read(second["DPoP"])["jti"]
