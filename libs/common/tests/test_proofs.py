"""A token that is bound to a key opens nothing without a proof for this very request."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from harness.proving import prove
from harness.world import World, open_world
from homeward.common import dpop, jose
from homeward.common.dpop import Proof
from homeward.common.parts import Service
from homeward.common.tokens import IssuerVerifier

from .asking import answering, in_process
from .noting import Settings, create_service
from .test_auth import ISSUER, KEY, claims
from .test_http_errors import check

HOLDER = jose.new_key()
PATH = "/v1/notes/x"
URL = ISSUER + PATH


class Source:
    """An issuer that publishes its nonces."""

    nonces: tuple[str, ...] = ("n1", "n0", "n2")

    async def __call__(self) -> dict[str, Any]:
        return {"keys": [jose.public_jwk(KEY)], "nonces": list(self.nonces)}


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


async def started(world: World, source: Source) -> Service:
    service = answering(await world.start(create_service, Settings, public_url=ISSUER))
    return replace(service, parts=replace(service.parts, verifier=IssuerVerifier(ISSUER, source)))


@pytest.fixture
async def service(world: World) -> Service:
    return await started(world, Source())


def bound(**other: Any) -> str:
    at = int(time.time())
    made = {"iat": at, "exp": at + 300, "cnf": {"jkt": HOLDER.thumbprint()}, **other}
    return jose.sign({k: v for k, v in claims(**made).items() if v is not None}, KEY)


TOKEN, UNBOUND = bound(), bound(cnf=None)


async def ask(service: Service, *proofs: str, token: str = TOKEN, scheme: str = "DPoP") -> httpx.Response:
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    async with in_process(service) as client:
        return await client.get(PATH, headers=headers)


def proof(key: Any = HOLDER, method: str = "GET", url: str = URL, **other: Any) -> str:
    return prove(key, method, url, **{"token": TOKEN, "nonce": "n1", **other})


async def test_with_its_proof_a_bound_token_opens_and_each_proof_opens_once(service: Service) -> None:
    used = proof()
    opened = await ask(service, used)
    assert opened.status_code == 200
    assert "dpop-nonce" not in opened.headers
    check(await ask(service, used), 401, "proof-refused")
    assert (await ask(service, proof())).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [(), ("x",), (proof(), proof()), (proof(jose.new_key()),), (proof(method="POST"),),
     (proof(url=ISSUER + "/v1/notes/y"),), (proof(token=UNBOUND),)],
    ids=["none", "no proof", "two", "another key", "another method", "another path", "another token"],
)  # fmt: skip
async def test_without_the_right_proof_it_is_401(service: Service, sent: tuple[str, ...]) -> None:
    answer = await ask(service, *sent)
    check(answer, 401, "proof-refused")
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    assert 'algs="Ed25519 EdDSA ES256"' in answer.headers["www-authenticate"]
    assert answer.headers["dpop-nonce"] == "n1"


async def test_a_bound_token_is_none_for_the_bearer(service: Service) -> None:
    for proofs in ((), (proof(),)):
        answer = await ask(service, *proofs, scheme="Bearer")
        check(answer, 401, "token-refused")
        assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_token"')


async def test_a_token_that_is_not_bound_is_the_bearers_alone(service: Service) -> None:
    assert (await ask(service, token=UNBOUND, scheme="Bearer")).status_code == 200
    check(await ask(service, proof(token=UNBOUND), token=UNBOUND), 401, "token-refused")


@pytest.mark.parametrize("nonce", [None, "old"])
async def test_a_proof_without_a_nonce_of_ours_is_told_which(service: Service, nonce: str | None) -> None:
    answer = await ask(service, proof(nonce=nonce))
    check(answer, 401, "nonce-wanted")
    assert answer.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
    assert answer.headers["dpop-nonce"] == "n1"


async def test_a_nonce_that_will_soon_be_too_old_is_taken_and_the_next_is_told(service: Service) -> None:
    answer = await ask(service, proof(nonce="n0"))
    assert (answer.status_code, answer.headers["dpop-nonce"]) == (200, "n1")


async def test_a_refusal_tells_the_next_nonce_as_well(service: Service) -> None:
    token = bound(scope="notes:read")
    answer = await ask(service, proof(nonce="n0", token=token), token=token)
    check(answer, 403, "scope-missing")
    assert answer.headers["dpop-nonce"] == "n1"


@pytest.mark.parametrize("off", [-300, 300, -86_400, 86_400])
async def test_the_clients_clock_does_not_matter(service: Service, off: int) -> None:
    assert (await ask(service, proof(iat=int(time.time()) + off))).status_code == 200


async def test_replicas_share_what_was_used(world: World, service: Service) -> None:
    replica = await started(world, Source())
    sent = [proof() for _ in range(20)]
    answers = await asyncio.gather(*(ask(at, one) for one in sent for at in (service, replica)))
    by_proof = [sorted(a.status_code for a in answers[n : n + 2]) for n in range(0, len(answers), 2)]
    assert by_proof == [[200, 401]] * 20


async def test_a_proof_that_could_not_be_kept_opens_nothing(world: World, service: Service) -> None:
    await world.execute(service, "DROP TABLE used_proofs")
    assert (await ask(service, proof())).status_code == 500


async def test_what_was_used_is_forgotten_once_it_is_too_old_to_be_taken(
    world: World, service: Service
) -> None:
    arrivals, now = service.parts.arrivals, world.now
    for number in range(255):
        proof = Proof("k", str(number), "n")
        assert (await arrivals.note("ngo", None, proof, counted=False, now=now)).fresh
    world.pass_time(seconds=dpop.KEPT + 1)
    last = Proof("k", "last", "n")
    assert (await arrivals.note("ngo", None, last, counted=False, now=world.now)).fresh
    [row] = await world.execute(service, "SELECT count(*) AS kept FROM used_proofs")
    assert row.kept == 1
