"""Tokens bound to a key: who must have them, and that nothing else opens with them."""

from dataclasses import replace

import httpx
import pytest

from harness.proving import prove
from harness.world import World
from homeward.common import http, jose
from homeward.common.parts import Service
from homeward.common.tokens import IssuerVerifier

from .scene import Scene
from .test_issuer import NEW, URL, Client, refused


@pytest.fixture
async def client(scene: Scene) -> Client:
    return await registered(scene, "new-ngo")


async def registered(scene: Scene, agency: str, **dpop: str) -> Client:
    key = jose.new_key()
    partner = {**NEW, "agency": agency, "public_jwk": jose.public_jwk(key), **dpop}
    assert (await scene.staff("POST", "/v1/partners", partner))["dpop"] == dpop.get("dpop", "required")
    return Client(scene, key, agency)


async def test_a_partners_tokens_are_bound_to_the_key_of_its_proof(client: Client) -> None:
    granted = (await client.ask()).json()
    assert granted["token_type"] == "DPoP"
    claims = jose.unverified_claims(granted["access_token"])
    assert claims["cnf"] == {"jkt": client.dpop.thumbprint()}


async def test_without_a_proof_a_partner_gets_none_and_its_assertion_is_used_up(client: Client) -> None:
    assertion = client.assertion()
    refused(await client.ask(assertion, proof=None), "invalid_dpop_proof", 400)
    refused(await client.ask(assertion), "invalid_client", 401)


async def test_who_cannot_prove_may_be_let_off(scene: Scene) -> None:
    older = await registered(scene, "older-ngo", dpop="optional")
    granted = (await older.ask(proof=None)).json()
    assert granted["token_type"] == "Bearer"
    assert "cnf" not in jose.unverified_claims(granted["access_token"])
    assert (await older.ask()).json()["token_type"] == "DPoP"


async def test_a_proof_needs_our_nonce_and_asking_for_one_uses_nothing_up(client: Client) -> None:
    assertion = client.assertion()
    for nonce in (None, "old"):
        answer = await client.ask(assertion, proof=client.proof(nonce=nonce))
        refused(answer, "use_dpop_nonce", 400)
        client.nonce = answer.headers["dpop-nonce"]
    assert (await client.ask(assertion)).status_code == 200


async def test_a_proof_is_good_once_and_for_this_alone(client: Client) -> None:
    await client.ask()
    used = client.proof()
    assert (await client.ask(proof=used)).status_code == 200
    wrong = [used, "x", client.proof(htm="GET"), client.proof(htu=f"{URL}/v1/events"), client.proof(jti=None)]
    for proof in wrong:
        answer = await client.ask(proof=proof)
        refused(answer, "invalid_dpop_proof", 400)
        assert answer.headers["dpop-nonce"] == client.nonce


async def test_strangers_fill_no_table_with_their_proofs(scene: Scene, client: Client) -> None:
    stranger = Client(scene, jose.new_key(), "stranger")
    refused(await stranger.ask(), "invalid_client", 401)
    assert not await scene.world.execute(scene.service, "SELECT FROM used_proofs")


@pytest.mark.parametrize("off", [-300, 300])
async def test_a_clock_may_be_five_minutes_wrong(client: Client, off: int) -> None:
    at = int(client.scene.world.now.timestamp()) + off
    await client.ask()
    answer = await client.ask(client.assertion(iat=at, exp=at + 120), proof=client.proof(iat=at))
    assert answer.status_code == 200


async def test_what_is_granted_opens_here_with_a_proof_alone(
    world: World, scene: Scene, client: Client, service: Service
) -> None:
    async def published() -> object:
        return await service.parts.own["published"]()

    verifier = IssuerVerifier(URL, published, now=lambda: world.now.timestamp())  # type: ignore[arg-type]
    real = replace(service, parts=replace(service.parts, verifier=verifier))
    token = (await client.ask()).json()["access_token"]
    transport = httpx.ASGITransport(http.create_app(real))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as here:
        for nonce, status in (("old", 401), (client.nonce, 200)):
            proof = prove(client.dpop, "GET", f"{URL}/v1/events", token=token, nonce=nonce)
            answer = await here.get("/v1/events", headers={"Authorization": f"DPoP {token}", "DPoP": proof})
            assert answer.status_code == status, answer.text
        assert (await here.get("/v1/events", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_the_metadata_tell_of_proofs(scene: Scene) -> None:
    told = (await scene.ask("GET", "/.well-known/oauth-authorization-server")).json()
    assert told["dpop_signing_alg_values_supported"] == ["Ed25519", "EdDSA", "ES256"]
