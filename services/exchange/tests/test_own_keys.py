"""A partner's keys: two for a while, by proof of the old one; one that is revoked opens nothing any more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey

from harness.proving import prove
from harness.world import World
from homeward.common import http, jose
from homeward.common.contracts import PartnerAccessChanged, PartnerChanged
from homeward.common.jose import TokenRefused
from homeward.common.parts import Service
from homeward.common.tokens import IssuerVerifier, Suspended

from .scene import Scene
from .test_issuer import NEW, URL, Client, refused

PATH = "/v1/own/keys"
WEEK = 604_800


class Partner(Client):
    """A partner who has a token, at an exchange that verifies it."""

    http: httpx.AsyncClient

    async def call(self, method: str, path: str, token: str | None = None, **body: Any) -> httpx.Response:
        token = token or (await self.ask()).json()["access_token"]
        proof = prove(self.dpop, method, f"{URL}{path}", token=token, nonce=self.nonce)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        return await self.http.request(method, path, headers=headers, json=body or None)

    def statement(self, by: OKPKey, new: OKPKey, **claims: Any) -> str:
        """That ``new`` is to be the partner's key, signed ``by`` a key."""
        right = {"iss": self.name, "aud": URL + PATH, "exp": self.seconds() + 60, "new_kid": new.kid}
        return jose.sign({**right, **claims}, by)

    def seconds(self) -> int:
        return int(self.scene.world.now.timestamp())

    async def rotate(self, new: OKPKey, **other: str) -> httpx.Response:
        """As it should be, but for ``other``; a second after whatever was before."""
        self.scene.world.pass_time(seconds=1)
        statements = {"by_old": self.statement(self.key, new), "by_new": self.statement(new, new)}
        return await self.call("POST", PATH, public_jwk=jose.public_jwk(new), **{**statements, **other})


@pytest.fixture
async def partner(world: World, scene: Scene, service: Service) -> AsyncIterator[Partner]:
    key = jose.new_key()
    await scene.staff("POST", "/v1/partners", {**NEW, "public_jwk": jose.public_jwk(key)})
    partner = Partner(scene, key)
    real = replace(service, parts=replace(service.parts, verifier=_verifier(world, service)))
    transport = httpx.ASGITransport(http.create_app(real), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as partner.http:
        yield partner


def _verifier(world: World, service: Service) -> IssuerVerifier:
    """As a service has it that trusts this issuer."""

    async def published() -> dict[str, Any]:
        found: dict[str, Any] = await service.parts.own["published"]()
        return found

    return IssuerVerifier(URL, published, now=lambda: world.now.timestamp())


def other(partner: Partner, key: OKPKey) -> Client:
    return Client(partner.scene, key, partner.name)


async def test_both_keys_are_good_for_the_overlap_and_then_the_new_one_alone(
    world: World, partner: Partner
) -> None:
    new = jose.new_key()
    changed = await partner.rotate(new)
    assert changed.status_code == 201, changed.text
    newest, former = changed.json()["keys"]
    assert (newest["kid"], newest["until"]) == (new.kid, None)
    assert former["kid"] == partner.key.kid
    assert former["until"] is not None
    assert (await partner.call("GET", PATH)).json() == changed.json()
    for key in (partner.key, new):
        assert (await other(partner, key).ask()).status_code == 200
    world.pass_time(seconds=WEEK)
    refused(await other(partner, partner.key).ask(), "invalid_client", 401)
    assert (await other(partner, new).ask()).status_code == 200


async def test_the_same_change_again_changes_nothing(partner: Partner) -> None:
    new = jose.new_key()
    first, again = [await partner.rotate(new) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    said = await partner.scene.world.said(partner.scene.service, PartnerAccessChanged)
    assert [one.change for one in said] == ["registered", "key-added"]


async def test_more_than_two_are_never_good(partner: Partner) -> None:
    await partner.rotate(jose.new_key())
    third = await partner.rotate(jose.new_key())
    assert (third.status_code, third.json()["type"]) == (409, "/problems/rotation-under-way")


async def test_without_proof_of_both_keys_nothing_changes(partner: Partner) -> None:
    new, stranger = jose.new_key(), jose.new_key()
    wrong: list[tuple[str, str]] = [
        ("by_old", partner.statement(stranger, new)),
        ("by_old", partner.statement(new, new)),
        ("by_old", partner.statement(partner.key, stranger)),
        ("by_old", partner.statement(partner.key, new, iss="cn-police")),
        ("by_old", partner.statement(partner.key, new, aud=URL)),
        ("by_old", partner.statement(partner.key, new, exp=partner.seconds() - 301)),
        ("by_old", partner.statement(partner.key, new, exp=partner.seconds() + 3_600)),
        ("by_old", partner.assertion()),
        ("by_old", "x"),
        ("by_new", partner.statement(partner.key, new)),
        ("by_new", partner.statement(new, stranger)),
    ]
    for field, text in wrong:
        answer = await partner.rotate(new, **{field: text})
        assert answer.status_code == 422, text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len((await partner.call("GET", PATH)).json()["keys"]) == 1


async def test_a_statement_is_no_assertion(partner: Partner) -> None:
    said = partner.statement(partner.key, jose.new_key(), sub=partner.name, jti="1")
    refused(await partner.ask(said), "invalid_client", 401)


async def test_a_private_key_is_refused(partner: Partner) -> None:
    new = jose.new_key()
    answer = await partner.call("POST", PATH, public_jwk=new.as_dict(private=True), by_old="x", by_new="x")
    assert answer.status_code == 422
    assert "private key" in answer.json()["errors"][0]["detail"]
    assert str(new.as_dict(private=True)["d"]) not in answer.text


async def test_a_revoked_key_and_its_tokens_open_nothing_at_once(
    world: World, service: Service, partner: Partner
) -> None:
    new = jose.new_key()
    await partner.rotate(new)
    stolen = (await partner.ask()).json()["access_token"]
    safe = Partner(partner.scene, new)
    safe.http = partner.http
    elsewhere = _verifier(world, service)
    await elsewhere.verify(stolen)
    assert (await safe.call("POST", f"{PATH}/{partner.key.kid}/revoke")).status_code == 200
    at_once = await partner.call("GET", "/v1/events", stolen)
    assert (at_once.status_code, at_once.json()["type"]) == (401, "/problems/token-refused")
    refused(await partner.ask(), "invalid_client", 401)
    assert (await safe.call("GET", "/v1/events")).status_code == 200
    # Elsewhere within seconds.
    world.pass_time(seconds=31)
    with pytest.raises(TokenRefused, match="revoked_key"):
        await elsewhere.verify(stolen)
    await elsewhere.verify((await safe.ask()).json()["access_token"])


async def test_a_revoked_key_is_never_taken_again(partner: Partner) -> None:
    new, newer = jose.new_key(), jose.new_key()
    await partner.rotate(new)
    await partner.call("POST", f"{PATH}/{new.kid}/revoke")
    again = await partner.rotate(new)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/key-revoked")
    assert (await partner.rotate(newer)).status_code == 201


async def test_a_key_nobody_had_cannot_be_revoked(partner: Partner) -> None:
    unknown = jose.new_key().kid
    assert (await partner.call("POST", f"{PATH}/{unknown}/revoke")).status_code == 404
    assert (await partner.call("POST", f"{PATH}/no%00kid/revoke")).status_code == 422
    theirs = (await partner.scene.staff("GET", "/v1/partners/cn-police/keys"))["keys"][0]["kid"]
    assert (await partner.call("POST", f"{PATH}/{theirs}/revoke")).status_code == 404


async def test_the_operator_revokes_and_replaces(partner: Partner) -> None:
    scene, new = partner.scene, jose.new_key()
    token = (await partner.ask()).json()["access_token"]
    await scene.staff("POST", f"/v1/partners/new-ngo/keys/{partner.key.kid}/revoke")
    assert (await partner.call("GET", "/v1/events", token)).status_code == 401
    refused(await partner.ask(), "invalid_client", 401)
    again = {"public_jwk": jose.public_jwk(partner.key)}
    assert (await scene.ask("POST", "/v1/partners/new-ngo/rotate-key", again)).status_code == 409
    await scene.staff("POST", "/v1/partners/new-ngo/rotate-key", {"public_jwk": jose.public_jwk(new)})
    assert (await other(partner, new).ask()).status_code == 200
    keys = (await scene.staff("GET", "/v1/partners/new-ngo/keys"))["keys"]
    assert {key["kid"]: key["revoked_at"] is not None for key in keys} == {
        new.kid: False, partner.key.kid: True,
    }  # fmt: skip


async def test_replacing_a_key_ends_the_tokens_it_got(partner: Partner) -> None:
    token = (await partner.ask()).json()["access_token"]
    body = {"public_jwk": jose.public_jwk(jose.new_key())}
    await partner.scene.staff("POST", "/v1/partners/new-ngo/rotate-key", body)
    assert (await partner.call("GET", "/v1/events", token)).status_code == 401


async def test_a_suspended_partner_is_told_so_and_changes_nothing(
    world: World, service: Service, partner: Partner
) -> None:
    token, elsewhere = (await partner.ask()).json()["access_token"], _verifier(world, service)
    await elsewhere.verify(token)
    await partner.scene.staff("POST", "/v1/partners/new-ngo/suspend")
    for method, path in (("GET", PATH), ("POST", f"{PATH}/{partner.key.kid}/revoke"), ("GET", "/v1/events")):
        answer = await partner.call(method, path, token)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/partner-suspended")
    world.pass_time(seconds=31)
    with pytest.raises(Suspended):
        await elsewhere.verify(token)
    await partner.scene.staff("POST", "/v1/partners/new-ngo/resume")
    world.pass_time(seconds=31)
    await elsewhere.verify(token)


async def test_revocations_are_published_as_long_as_a_token_may_live(world: World, partner: Partner) -> None:
    scene, kid = partner.scene, partner.key.kid
    await scene.staff("POST", f"/v1/partners/new-ngo/keys/{kid}/revoke")
    assert (await scene.ask("GET", "/oauth/jwks")).json()["revoked"] == [kid]
    world.pass_time(seconds=359)
    assert (await scene.ask("GET", "/oauth/jwks")).json()["revoked"] == [kid]
    world.pass_time(seconds=2)
    assert (await scene.ask("GET", "/oauth/jwks")).json()["revoked"] == []


async def test_whether_tokens_are_bound_can_be_changed(partner: Partner) -> None:
    refused(await partner.ask(proof=None), "invalid_dpop_proof", 400)
    shown = await partner.scene.staff("POST", "/v1/partners/new-ngo/dpop", {"dpop": "optional"})
    assert shown["dpop"] == "optional"
    assert (await partner.ask(proof=None)).status_code == 200


async def test_a_restored_database_knows_all_keys_again(world: World, partner: Partner) -> None:
    scene, new = partner.scene, jose.new_key()
    await scene.staff("POST", "/v1/partners/new-ngo/dpop", {"dpop": "optional"})
    await partner.rotate(new)
    await partner.call("POST", f"{PATH}/{partner.key.kid}/revoke")
    await scene.staff("POST", "/v1/partners/new-ngo/suspend")
    state = "SELECT client_id, kid, jwk, since, until, revoked_at, dpop FROM client_keys JOIN clients "
    state += "USING (client_id) WHERE client_id = 'new-ngo' ORDER BY kid"
    before = await world.execute(scene.service, state)
    said = await world.said(scene.service, PartnerChanged, PartnerAccessChanged)
    await world.execute(scene.service, "DELETE FROM client_keys WHERE client_id = 'new-ngo'")
    await world.execute(scene.service, "DELETE FROM clients WHERE client_id = 'new-ngo'")
    restoring = replace(scene.service, consumers=scene.service.restores)
    await world.deliver(restoring, *said)
    assert await world.execute(scene.service, state) == before
    assert len(before) == 2
