"""Who is asking: a token of the issuer, for us, that holds now, and that carries the scope."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from homeward.common import jose
from homeward.common.jose import TokenRefused
from homeward.common.parts import Service
from homeward.common.tokens import Actor, IssuerUnreachable, IssuerVerifier, Suspended, jwks_over_http

from .asking import in_process, without_database
from .test_http_errors import check

ISSUER = "https://homeward.example"
KEY, OTHER_KEY = jose.new_key(), jose.new_key()
NOW = 1_736_242_200


def claims(**changed: Any) -> dict[str, Any]:
    return {
        "iss": ISSUER, "aud": ISSUER, "sub": "caseworker-1", "client_id": "caseworker-1",
        "org": "homeward-desk", "role": "staff", "scope": "notes:read notes:write",
        "iat": NOW, "exp": NOW + 300, **changed,
    }  # fmt: skip


class Issuer:
    """Publishes its keys, counts who asks for them, and can be away."""

    def __init__(self, *keys: Any) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.error: Exception | None = None
        self.answer: Any = None

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.error:
            raise self.error
        return (
            self.answer if self.answer is not None else {"keys": [jose.public_jwk(key) for key in self.keys]}
        )


class Hour:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def unsigned(said: Mapping[str, Any], **header: Any) -> str:
    parts = [json.dumps(part).encode() for part in (header, said)]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def hmac_with_the_public_key(said: Mapping[str, Any]) -> str:
    secret = OctKey.import_key(json.dumps(jose.public_jwk(KEY)).encode())
    return jwt.encode({"alg": "HS256", "kid": KEY.kid}, dict(said), secret, algorithms=["HS256"])


GOOD = jose.sign(claims(), KEY)
BAD = {
    "expired": jose.sign(claims(exp=NOW - 31), KEY),
    "without an end": jose.sign({k: v for k, v in claims().items() if k != "exp"}, KEY),
    "for somebody else": jose.sign(claims(aud="https://other.example"), KEY),
    "for nobody": jose.sign({k: v for k, v in claims().items() if k != "aud"}, KEY),
    "of another issuer": jose.sign(claims(iss="https://other.example"), KEY),
    "of another key": jose.sign(claims(), OTHER_KEY),
    "not signed": unsigned(claims(), alg="none"),
    "not signed, with our key's name": unsigned(claims(), alg="none", kid=KEY.kid),
    "signed with the public key as a secret": hmac_with_the_public_key(claims()),
    "changed": GOOD[:40] + ("A" if GOOD[40] != "A" else "B") + GOOD[41:],
    "cut off": GOOD[:-10],
    "without a client": jose.sign({k: v for k, v in claims().items() if k != "client_id"}, KEY),
    "with scopes that are no text": jose.sign(claims(scope=["notes:write"]), KEY),
    "no token": "token",
    "not even text": "\u00eb.\u00eb.\u00eb",
    "empty parts": "..",
}


async def test_a_good_token_names_its_actor() -> None:
    actor = await IssuerVerifier(ISSUER, Issuer(KEY), now=Hour()).verify(GOOD)
    scopes = frozenset({"notes:read", "notes:write"})
    assert actor == Actor("caseworker-1", "homeward-desk", "staff", scopes, expires=actor.expires)
    assert actor.expires is not None
    assert actor.expires > NOW
    assert actor.name == "client:caseworker-1"


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_token_is_refused(case: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        await IssuerVerifier(ISSUER, Issuer(KEY), now=Hour()).verify(BAD[case])
    assert "caseworker" not in str(refused.value)


@given(st.text() | st.lists(st.text(alphabet="AZaz09-_="), min_size=3, max_size=3).map(".".join))
def test_whatever_is_sent_as_a_token_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        jose.verify(token, KEY, now=NOW, audience=ISSUER, issuer=ISSUER)
    assert jose.unverified_claims(token) == {} or isinstance(jose.unverified_claims(token), dict)


async def test_clocks_may_differ_by_half_a_minute() -> None:
    hour = Hour()
    verifier = IssuerVerifier(ISSUER, Issuer(KEY), now=hour)
    hour.now = NOW + 329
    await verifier.verify(GOOD)
    hour.now = NOW + 331
    with pytest.raises(TokenRefused, match="expired_token"):
        await verifier.verify(GOOD)


async def test_a_new_key_is_learnt_and_forged_tokens_do_not_hammer_the_issuer() -> None:
    hour, issuer = Hour(), Issuer(KEY)
    verifier = IssuerVerifier(ISSUER, issuer, now=hour)
    await verifier.verify(GOOD)
    for _ in range(50):
        with pytest.raises(TokenRefused):
            await verifier.verify(BAD["of another key"])
    assert issuer.asked == 1
    issuer.keys.append(OTHER_KEY)
    hour.now += 10
    assert await verifier.verify(jose.sign(claims(), OTHER_KEY)) == await verifier.verify(GOOD)
    assert issuer.asked == 2


async def published_anew(
    issuer: Issuer, verifier: IssuerVerifier, hour: Hour, after: float, **answer: Any
) -> None:
    """The issuer publishes something else, and ``after`` seconds pass without a request."""
    await verifier.verify(GOOD)
    issuer.answer = {"keys": [jose.public_jwk(KEY)], **answer}
    hour.now += after


@pytest.mark.parametrize("after", [5.1, 29, 1_000])
async def test_after_a_quiet_time_the_next_request_already_knows_what_was_revoked(after: float) -> None:
    hour, issuer = Hour(), Issuer(KEY)
    verifier, stolen = IssuerVerifier(ISSUER, issuer, now=hour), claims(key="k1", exp=NOW + 3_600)
    await published_anew(issuer, verifier, hour, after, revoked=["k1"])
    with pytest.raises(TokenRefused, match="revoked_key"):
        await verifier.verify(jose.sign(stolen, KEY))
    await verifier.verify(jose.sign({**stolen, "key": "k2"}, KEY))


async def test_while_requests_come_what_is_published_is_asked_for_beside_them() -> None:
    hour, issuer = Hour(), Issuer(KEY)
    verifier, stolen = IssuerVerifier(ISSUER, issuer, now=hour), jose.sign(claims(key="k1"), KEY)
    await published_anew(issuer, verifier, hour, 2, suspended=["k1"])
    await verifier.verify(stolen)  # nobody waits for it
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(Suspended):
        await verifier.verify(stolen)
    assert issuer.asked == 2


async def test_an_issuer_that_is_away_for_half_a_minute_stops_every_token() -> None:
    hour, issuer = Hour(), Issuer(KEY)
    verifier, token = IssuerVerifier(ISSUER, issuer, now=hour), jose.sign(claims(exp=NOW + 3_600), KEY)
    await verifier.verify(token)
    issuer.error = httpx.ConnectError("x")
    hour.now += 30
    await verifier.verify(token)
    hour.now += 1.1
    with pytest.raises(IssuerUnreachable):
        await verifier.verify(token)
    issuer.error = None
    hour.now += 1
    await verifier.verify(token)


@pytest.mark.parametrize(
    "trouble", [httpx.ConnectError("x"), ValueError("no JSON"), {}, [], {"keys": [{"kty": "?"}]}], ids=repr
)
async def test_an_issuer_that_is_away_is_no_reason_to_refuse(trouble: Any) -> None:
    hour, issuer = Hour(), Issuer(KEY)
    verifier = IssuerVerifier(ISSUER, issuer, now=hour)
    issuer.error, issuer.answer = (trouble, None) if isinstance(trouble, Exception) else (None, trouble)
    for _ in range(20):
        with pytest.raises(IssuerUnreachable):
            await verifier.verify(GOOD)
    assert issuer.asked == 1
    issuer.error, issuer.answer = None, None
    hour.now += 1
    assert await verifier.verify(GOOD)


# Over HTTP


@pytest.fixture
def service() -> Service:
    """A service that trusts our issuer; the real clock, so tokens are signed anew."""
    service = without_database()
    return replace(service, parts=replace(service.parts, verifier=IssuerVerifier(ISSUER, Issuer(KEY))))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def now(**changed: Any) -> dict[str, Any]:
    at = int(time.time())
    return claims(iat=at, exp=at + 300, **changed)


async def test_the_right_token_opens(service: Service) -> None:
    async with in_process(service) as client:
        for scheme in ("Bearer", "bearer"):
            headers = {"Authorization": f"{scheme} {jose.sign(now(), KEY)}"}
            assert (await client.get("/v1/notes/x", headers=headers)).status_code == 200


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp4", "DPoP", "DPoP "])
async def test_without_a_token_it_is_401(service: Service, header: str | None) -> None:
    async with in_process(service) as client:
        response = await client.get(
            "/v1/notes/x", headers={"Authorization": header} if header is not None else {}
        )
    check(response, 401, "token-missing")
    assert response.headers["www-authenticate"] == 'DPoP algs="Ed25519 EdDSA ES256", Bearer'


@pytest.mark.parametrize(
    "token",
    [
        jose.sign(claims(), KEY),
        jose.sign(now(aud="x"), KEY),
        jose.sign(now(), OTHER_KEY),
        unsigned(now(), alg="none"),
    ],
    ids=["expired", "for somebody else", "of another key", "not signed"],
)
async def test_with_a_bad_token_it_is_401(service: Service, token: str) -> None:
    async with in_process(service) as client:
        response = await client.get("/v1/notes/x", headers=bearer(token))
    check(response, 401, "token-refused")
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert token.split(".")[1] not in response.text


@pytest.mark.parametrize("scope", ["", "notes:read", "notes:writer", "NOTES:WRITE"])
async def test_without_the_scope_it_is_403(service: Service, scope: str) -> None:
    async with in_process(service) as client:
        response = await client.get("/v1/notes/x", headers=bearer(jose.sign(now(scope=scope), KEY)))
    check(response, 403, "scope-missing")


async def test_while_the_issuer_is_away_it_is_503(service: Service) -> None:
    verifier = IssuerVerifier(ISSUER, jwks_over_http("http://127.0.0.1:1/oauth/jwks"))
    away = replace(service, parts=replace(service.parts, verifier=verifier))
    async with in_process(away) as client:
        for _ in range(2):
            response = await client.get("/v1/notes/x", headers=bearer(jose.sign(now(), KEY)))
            check(response, 503, "issuer-unreachable")
            assert response.headers["retry-after"] == "5"
