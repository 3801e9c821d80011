"""Tokens: only for a client that proves itself by its own key, once, for us, soon enough."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from harness.proving import prove
from homeward.common import jose
from homeward.common.contracts import ReadDenied
from homeward.common.ids import new_id
from homeward.common.tokens import IssuerVerifier
from homeward.exchange.domain import ROLE_SCOPES
from homeward.exchange.issuer import ASSERTION_TYPE

from .scene import NGO, Scene

URL = "http://localhost:8080"
NEW = {**NGO, "agency": "new-ngo", "clearance": ["envelope"]}


class Client:
    """A partner that asks for tokens."""

    def __init__(self, scene: Scene, key: OKPKey, name: str = "new-ngo") -> None:
        self.scene = scene
        self.key = key
        self.name = name
        self.dpop = jose.new_key()
        self.nonce: str | None = None

    def anew(self) -> "Client":
        """The same client, which has heard of no nonce."""
        return Client(self.scene, self.key, self.name)

    def assertion(self, **claims: Any) -> str:
        """One as it should be, but for ``claims``; None leaves one out."""
        now = int(self.scene.world.now.timestamp())
        right = {"iss": self.name, "sub": self.name, "aud": URL, "exp": now + 120, "jti": str(new_id())}
        made = {name: value for name, value in {**right, **claims}.items() if value is not None}
        return self.signed({"alg": "Ed25519"}, made)

    def signed(self, header: dict[str, Any], claims: Mapping[str, Any]) -> str:
        """Any claims, under the client's key."""
        return jws.serialize_compact(header, json.dumps(claims), self.key, algorithms=["Ed25519"])

    def proof(self, **claims: Any) -> str:
        """Of the token request; None leaves a claim out."""
        return prove(self.dpop, "POST", f"{URL}/oauth/token", **{"nonce": self.nonce, **claims})

    async def ask(
        self, assertion: str | None = None, *, proof: str | None = "", **form: Any
    ) -> httpx.Response:
        """The token request as it should be, but for ``form``; None leaves a field out, or the proof."""
        if self.nonce is None:
            first = await self.scene.post_form("/oauth/token", WHOLE, DPoP=self.proof())
            self.nonce = first.headers["dpop-nonce"]
        headers = {} if proof is None else {"DPoP": proof or self.proof()}
        right = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
        }
        sent = {name: value for name, value in {**right, **form}.items() if value is not None}
        return await self.scene.post_form("/oauth/token", sent, **headers)


WHOLE = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": "x"}


@pytest.fixture
async def client(scene: Scene) -> Client:
    key = jose.new_key()
    await scene.staff("POST", "/v1/partners", {**NEW, "public_jwk": jose.public_jwk(key)})
    return Client(scene, key)


def refused(response: httpx.Response, error: str, status: int) -> None:
    """An error as OAuth has them (RFC 6749 §5.2)."""
    assert (response.status_code, response.json().get("error")) == (status, error)
    assert response.headers["cache-control"] == "no-store"
    assert set(response.json()) == {"error", "error_description"}


async def test_a_token_is_what_every_service_verifies(scene: Scene, client: Client) -> None:
    response = await client.ask()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    granted = response.json()
    assert (granted["token_type"], granted["expires_in"]) == ("DPoP", 300)

    async def jwks() -> dict[str, Any]:
        return dict((await scene.ask("GET", "/oauth/jwks")).json())

    now = scene.world.now.timestamp()
    actor = await IssuerVerifier(URL, jwks, now=lambda: now).verify(granted["access_token"])
    assert (actor.client_id, actor.organisation, actor.role) == ("new-ngo", "new-ngo", "partner")
    assert actor.scopes == ROLE_SCOPES["partner"] == frozenset(granted["scope"].split())
    with pytest.raises(jose.TokenRefused):
        await IssuerVerifier(URL, jwks, now=lambda: now + 331).verify(granted["access_token"])


async def test_the_published_key_is_public(scene: Scene) -> None:
    [key] = (await scene.ask("GET", "/oauth/jwks")).json()["keys"]
    assert "d" not in key
    assert key["kid"]


async def test_a_scope_narrows_and_never_widens(client: Client) -> None:
    for scope, status, granted in (
        ("events:read", 200, "events:read"),
        ("referrals:respond events:read", 200, "events:read referrals:respond"),
        ("  ", 200, " ".join(sorted(ROLE_SCOPES["partner"]))),
        ("partners:write", 400, None),
        ("events:read operations", 400, None),
    ):
        response = await client.ask(scope=scope)
        assert response.status_code == status
        assert response.json().get("scope") == granted
    refused(await client.ask(scope="everything"), "invalid_scope", 400)


WRONG_CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "expired": {"exp": -301},
    "no end": {"exp": None},
    "too long": {"exp": 3_901},
    "endless": {"exp": 1e30},
    "beyond time": {"exp": 10**30},
    "end is text": {"exp": "tomorrow"},
    "for somebody else": {"aud": "http://elsewhere.test"},
    "for nobody": {"aud": None},
    "audience is an object": {"aud": {"a": 1}},
    "no id": {"jti": None},
    "empty id": {"jti": ""},
    "id is a list": {"jti": ["a"]},
    "another issuer": {"iss": "cn-police"},
    "no issuer": {"iss": None},
    "unknown client": {"sub": "nobody", "iss": "nobody"},
    "another client": {"sub": "cn-police", "iss": "cn-police"},
    "client is a number": {"sub": 7},
    "client has a NUL": {"sub": "new\0ngo"},
    "client is no text": {"sub": "\ud800"},
    "no client": {"sub": None},
    "from the future": {"iat": 9_999_999_999},
}


async def test_an_assertion_that_claims_anything_wrong_is_refused(scene: Scene, client: Client) -> None:
    now = int(scene.world.now.timestamp())
    for wrong, claims in WRONG_CLAIMS.items():
        soon = {"exp": now + claims["exp"]} if claims.get("exp") in {-301, 3_901} else {}
        response = await client.ask(client.assertion(**{**claims, **soon}))
        assert response.status_code == 401, wrong
        refused(response, "invalid_client", 401)


async def test_the_token_endpoint_is_an_audience_too(client: Client) -> None:
    for audience in (f"{URL}/oauth/token", ["http://elsewhere.test", URL]):
        assert (await client.ask(client.assertion(aud=audience))).status_code == 200


async def test_an_assertion_is_good_once(client: Client) -> None:
    for jti in ("plain", "\0", "\ud800", "é", "x" * 5_000):
        assertion = client.assertion(jti=jti)
        assert (await client.ask(assertion)).status_code == 200
        refused(await client.ask(assertion), "invalid_client", 401)
        assert (await client.ask(client.assertion(jti=jti + "'"))).status_code == 200


async def test_an_assertion_is_used_up_by_a_refusal_as_well(client: Client) -> None:
    assertion = client.assertion()
    refused(await client.ask(assertion, scope="everything"), "invalid_scope", 400)
    refused(await client.ask(assertion), "invalid_client", 401)


async def test_used_ids_are_forgotten_when_they_can_do_no_harm(scene: Scene, client: Client) -> None:
    now = int(scene.world.now.timestamp())
    old = client.assertion(exp=now + 60)
    await client.ask(old)
    scene.world.pass_time(seconds=359)
    refused(await client.anew().ask(old), "invalid_client", 401)
    scene.world.pass_time(seconds=302)
    client = client.anew()
    await client.ask()
    [row] = await scene.world.execute(scene.service, "SELECT count(*) AS kept FROM used_assertions")
    assert row.kept == 1
    refused(await client.ask(old), "invalid_client", 401)


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


def forged(client: Client, header: dict[str, Any], signature: bytes = b"") -> str:
    """The client's right claims under another header and signature."""
    claims = client.assertion().split(".")[1]
    return f"{encoded(header)}.{claims}.{encoded(signature)}"


async def test_it_must_be_signed_by_the_clients_key(client: Client) -> None:
    header, claims, signature = client.assertion().split(".")
    stranger = Client(client.scene, jose.new_key())
    public = jose.public_jwk(client.key)
    keys: list[tuple[str, RSAKey | ECKey | OctKey]] = [
        ("RS256", RSAKey.generate_key(2048)),
        ("ES256", ECKey.generate_key("P-256")),
        ("HS256", OctKey.import_key(json.dumps(public))),
    ]
    told = json.loads(_decoded(claims))
    by_others = [jwt.encode({"alg": alg}, told, key, algorithms=[alg]) for alg, key in keys]
    for wrong in (
        stranger.assertion(),
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-2]}",
        forged(client, {"alg": "none"}),
        forged(client, {"alg": "None"}),
        forged(client, {"alg": "Ed25519", "jwk": jose.public_jwk(stranger.key)}, b"x" * 64),
        *by_others,
    ):
        refused(await client.ask(wrong), "invalid_client", 401)


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_what_is_no_assertion_is_refused(client: Client) -> None:
    numbers, nested = f"{encoded(7)}.{encoded(7)}.x", f"a.{encoded(b'[' * 3_000)}.c"
    for text in ("x", "a.b", "a.b.c", "..", "é.é.é", numbers, nested):
        refused(await client.ask(text), "invalid_client", 401)


async def test_a_deeply_nested_assertion_is_refused(client: Client) -> None:
    nested = encoded(b'{"sub":"new-ngo","a":' + b"[" * 3_000)
    refused(await client.ask(f"{encoded({'alg': 'Ed25519'})}.{nested}.x"), "invalid_client", 401)
    header, _, signature = client.assertion().split(".")
    claims = b'{"sub":"new-ngo","a":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    refused(await client.ask(f"{header}.{encoded(claims)}.{signature}"), "invalid_client", 401)


async def test_a_key_id_of_the_clients_own_making_is_welcome(client: Client) -> None:
    now = int(client.scene.world.now.timestamp())
    claims = {"iss": "new-ngo", "sub": "new-ngo", "aud": URL, "exp": now + 60, "jti": str(new_id())}
    header = {"alg": "Ed25519", "kid": "2025-key"}
    assert (
        await client.ask(jwt.encode(header, claims, client.key, algorithms=["Ed25519"]))
    ).status_code == 200


WRONG_FORMS: list[tuple[dict[str, Any], str, int]] = [
    ({"grant_type": None}, "invalid_request", 400),
    ({"grant_type": ""}, "invalid_request", 400),
    ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request", 400),
    ({"grant_type": "authorization_code"}, "unsupported_grant_type", 400),
    ({"grant_type": "x" * 9_000}, "unsupported_grant_type", 400),
    ({"client_assertion_type": None}, "invalid_client", 401),
    ({"client_assertion_type": "password"}, "invalid_client", 401),
    ({"client_assertion": ""}, "invalid_client", 401),
    ({"client_assertion": "x" * 10_001}, "invalid_request", 400),
]


async def test_a_form_that_is_not_right_is_an_oauth_error(client: Client) -> None:
    for form, error, status in WRONG_FORMS:
        refused(await client.ask(**form), error, status)


async def test_what_is_no_form_is_an_oauth_error(scene: Scene) -> None:
    for content_type, content in (
        ("application/json", b'{"grant_type": "client_credentials"}'),
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"%ff=%ff&\xff"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data", b"--x"),
        ("text/plain", b"\x00"),
    ):
        response = await scene.post_bytes("/oauth/token", content, content_type)
        refused(response, "invalid_request", 400)


async def test_a_suspended_partner_gets_no_token_and_the_denial_is_recorded(
    scene: Scene, client: Client
) -> None:
    await scene.staff("POST", "/v1/partners/new-ngo/suspend")
    assertion = client.assertion()
    refused(await client.ask(assertion), "unauthorized_client", 400)
    [denied] = await scene.world.said(scene.service, ReadDenied)
    assert (denied.agency, denied.problem) == ("new-ngo", "partner-suspended")
    await scene.staff("POST", "/v1/partners/new-ngo/resume")
    refused(await client.ask(assertion), "invalid_client", 401)
    assert (await client.ask()).status_code == 200


async def test_rotating_the_key_ends_the_old_one(scene: Scene, client: Client) -> None:
    newer = Client(scene, jose.new_key())
    refused(await newer.ask(), "invalid_client", 401)
    body = {"public_jwk": jose.public_jwk(newer.key)}
    await scene.staff("POST", "/v1/partners/new-ngo/rotate-key", body)
    refused(await client.ask(), "invalid_client", 401)
    assert (await newer.ask()).status_code == 200


async def test_the_metadata_say_how_to_ask(scene: Scene) -> None:
    told = (await scene.ask("GET", "/.well-known/oauth-authorization-server")).json()
    assert (told["issuer"], told["token_endpoint"]) == (URL, f"{URL}/oauth/token")
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
