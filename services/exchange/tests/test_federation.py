"""Partners for whom another issuer vouches, which the operator trusts."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from homeward.common import jose
from homeward.common.contracts import PartnerAccessChanged
from homeward.common.ids import new_id
from homeward.exchange.federation import Federation, kid_of

from .scene import NGO, Scene
from .test_issuer import Client, refused

SSO, THERE = "https://sso.agency.example/realms/staff", "case-system"
URL = "http://localhost:8080"
VOUCHED = {"issuer": SSO, "client_id": THERE}


class Elsewhere:
    """The other issuer: its keys, the tokens it gives, and whether it answers."""

    def __init__(self, scene: Scene) -> None:
        self.key: Any = RSAKey.generate_key(2048, private=True, auto_kid=True)
        self.answers = True
        self.asked = 0
        self.time = 0.0
        self._scene = scene

    def token(self, alg: str = "RS256", **claims: Any) -> str:
        now = int(self._scene.world.now.timestamp())
        right = {"iss": SSO, "aud": [URL, "account"], "azp": THERE, "sub": "f:1", "exp": now + 300}
        made = {**right, "jti": str(new_id()), **claims}
        header = {"alg": alg, "kid": self.key.kid}
        return jwt.encode(header, {k: v for k, v in made.items() if v is not None}, self.key, [alg])

    async def keys(self) -> dict[str, Any]:
        self.asked += 1
        if not self.answers:
            raise ConnectionError
        return {"keys": [self.key.as_dict(private=False, use="sig")]}


@pytest.fixture
async def elsewhere(scene: Scene) -> Elsewhere:
    elsewhere = Elsewhere(scene)
    scene.service.parts.own["federation"] = Federation(
        {SSO: "keys"}, source=lambda _: elsewhere.keys, now=lambda: elsewhere.time
    )
    return elsewhere


@pytest.fixture
async def client(scene: Scene, elsewhere: Elsewhere) -> Client:
    await scene.staff("POST", "/v1/partners", {**NGO, "agency": "new-ngo", "vouched": VOUCHED})
    return Client(scene, jose.new_key())


async def test_its_token_gets_one_of_ours_that_is_bound_to_a_key(
    scene: Scene, client: Client, elsewhere: Elsewhere
) -> None:
    granted = (await client.ask(elsewhere.token())).json()
    assert granted["token_type"] == "DPoP"
    claims = jose.unverified_claims(granted["access_token"])
    assert (claims["org"], claims["role"]) == ("new-ngo", "partner")
    assert claims["key"] == kid_of({"iss": SSO, "client_id": THERE})
    refused(await client.ask(elsewhere.token(), proof=None), "invalid_dpop_proof", 400)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "account"},
        {"azp": "another-system"},
        {"azp": None},
        {"iss": "https://sso.agency.example/realms/other"},
        {"exp": 1_000_000_000},
        {"exp": 4_000_000_000},
        {"jti": None},
    ],
    ids=str,
)
async def test_a_token_that_claims_anything_wrong_is_refused(
    client: Client, elsewhere: Elsewhere, claims: dict[str, Any]
) -> None:
    refused(await client.ask(elsewhere.token(**claims)), "invalid_client", 401)


async def test_each_is_good_once(client: Client, elsewhere: Elsewhere) -> None:
    token = elsewhere.token()
    assert (await client.ask(token)).status_code == 200
    refused(await client.ask(token), "invalid_client", 401)


async def test_what_it_did_not_sign_is_refused(client: Client, elsewhere: Elsewhere) -> None:
    assert (await client.ask(elsewhere.token())).status_code == 200
    published, elsewhere.key = elsewhere.key, RSAKey.generate_key(2048, parameters={"kid": elsewhere.key.kid})
    forged = elsewhere.token()
    elsewhere.key = published
    refused(await client.ask(forged), "invalid_client", 401)
    refused(await client.ask(client.assertion(iss=SSO, sub=THERE)), "invalid_client", 401)


async def test_its_keys_may_change_and_are_not_asked_for_all_the_time(
    client: Client, elsewhere: Elsewhere
) -> None:
    assert (await client.ask(elsewhere.token())).status_code == 200
    assert (await client.ask(elsewhere.token())).status_code == 200
    assert elsewhere.asked == 1
    elsewhere.key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    refused(await client.ask(elsewhere.token("ES256")), "invalid_client", 401)
    elsewhere.time += 11
    assert (await client.ask(elsewhere.token("ES256"))).status_code == 200
    assert elsewhere.asked == 2


async def test_while_it_cannot_be_reached_a_client_is_told_so(client: Client, elsewhere: Elsewhere) -> None:
    elsewhere.answers = False
    refused(await client.ask(elsewhere.token()), "temporarily_unavailable", 503)


async def test_a_partner_that_is_suspended_or_revoked_gets_nothing(
    scene: Scene, client: Client, elsewhere: Elsewhere
) -> None:
    await scene.staff("POST", "/v1/partners/new-ngo/suspend")
    refused(await client.ask(elsewhere.token()), "unauthorized_client", 400)
    await scene.staff("POST", "/v1/partners/new-ngo/resume")
    kid = kid_of({"iss": SSO, "client_id": THERE})
    await scene.staff("POST", f"/v1/partners/new-ngo/keys/{kid}/revoke")
    refused(await client.ask(elsewhere.token()), "invalid_client", 401)
    assert kid in (await scene.ask("GET", "/oauth/jwks")).json()["revoked"]


async def test_whom_nobody_trusts_and_whom_another_is_are_not_registered(
    scene: Scene, client: Client
) -> None:
    other = {**NGO, "agency": "other-ngo"}
    unknown = {"issuer": "https://elsewhere.example", "client_id": THERE}
    answer = await scene.ask("POST", "/v1/partners", {**other, "vouched": unknown})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown_issuer")
    answer = await scene.ask("POST", "/v1/partners", {**other, "vouched": VOUCHED})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/vouched-for-another")
    both = {"vouched": VOUCHED, "public_jwk": jose.public_jwk(jose.new_key())}
    for wrong in ({}, both):
        answer = await scene.ask("POST", "/v1/partners", {**other, **wrong})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "one_of")


async def test_the_log_says_who_vouches(scene: Scene, client: Client) -> None:
    told = await scene.world.said(scene.service, PartnerAccessChanged)
    assert told[-1].keys[0].jwk == {"iss": SSO, "client_id": THERE}
