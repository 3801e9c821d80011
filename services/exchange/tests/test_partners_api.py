"""The registry over HTTP: an operator adds partners by their public keys."""

from typing import Any

import pytest

from homeward.common import jose
from homeward.common.contracts import PartnerChanged

from .scene import NGO, Profile, Scene

NEW: Profile = {**NGO, "agency": "new-ngo", "clearance": ["envelope", "status"]}


def body(**other: Any) -> dict[str, Any]:
    """A registration as it should be, but for ``other``."""
    return {**NEW, "public_jwk": jose.public_jwk(jose.new_key()), **other}


async def test_a_partner_is_registered_and_shown(scene: Scene) -> None:
    added = await scene.ask("POST", "/v1/partners", body())
    assert added.status_code == 201
    assert added.json().items() >= {**NEW, "suspended": False, "revision": 1, "last_seq": 0}.items()
    assert "jwk" not in added.text
    assert await scene.staff("GET", "/v1/partners/new-ngo") == added.json()
    listed = (await scene.staff("GET", "/v1/partners"))["partners"]
    assert [one["agency"] for one in listed] == ["border-ngo", "cn-police", "new-ngo", "th-body"]
    said = (await scene.world.said(scene.service, PartnerChanged))[-1]
    assert (said.agency, said.change, said.revision) == ("new-ngo", "registered", 1)


async def test_a_name_is_taken_once(scene: Scene) -> None:
    before = await scene.staff("GET", "/v1/partners")
    for taken in ("border-ngo",):
        response = await scene.ask("POST", "/v1/partners", body(agency=taken, kind="LawEnforcement"))
        assert response.status_code == 409
        assert response.json()["type"] == "/problems/agency-taken"
    assert await scene.staff("GET", "/v1/partners") == before


async def test_a_partner_cannot_take_the_name_of_staff_or_of_their_organisation(scene: Scene) -> None:
    """It would get their tokens, or they its feed."""
    await scene.world.execute(
        scene.service, "INSERT INTO clients VALUES ('operator', 'the-desk', 'operator')"
    )
    for taken in ("operator", "the-desk"):
        response = await scene.ask("POST", "/v1/partners", body(agency=taken))
        assert (response.status_code, response.json()["type"]) == (409, "/problems/agency-taken")
    [row] = await scene.world.execute(scene.service, "SELECT role FROM clients WHERE client_id = 'operator'")
    assert row.role == "operator"
    assert (await scene.ask("GET", "/v1/partners/operator")).status_code == 404


async def test_the_same_idempotency_key_registers_once(scene: Scene) -> None:
    sent, key = body(), {"Idempotency-Key": "registration-1"}
    token = {"Authorization": f"Bearer {scene.world.verifier.token('partners:write')}"}
    first, again = [await scene.ask("POST", "/v1/partners", sent, headers={**token, **key}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    other = await scene.ask("POST", "/v1/partners", body(agency="other-ngo"), headers={**token, **key})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    said = await scene.world.said(scene.service, PartnerChanged)
    assert [one.agency for one in said].count("new-ngo") == 1


def public(**other: Any) -> dict[str, Any]:
    return {**jose.public_jwk(jose.new_key()), **other}


async def test_a_private_key_is_refused_and_said_to_be_spoilt(scene: Scene) -> None:
    private = jose.new_key().as_dict(private=True)
    response = await scene.ask("POST", "/v1/partners", body(public_jwk=private))
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == "public_jwk"
    assert "private" in error["detail"]
    assert str(private["d"]) not in response.text
    rotating = await scene.ask("POST", "/v1/partners/border-ngo/rotate-key", {"public_jwk": private})
    assert rotating.status_code == 422


async def test_what_is_no_ed25519_key_is_refused(scene: Scene) -> None:
    wrong: list[Any] = [
        {}, {"kty": "OKP"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, public(crv="X25519"), public(x="AA"),
        public(x=7), public(x=None), public(crv=[]), public(kty={"a": 1}), public(x="é"), public(x="\0"),
    ]  # fmt: skip
    for jwk in wrong:
        response = await scene.ask("POST", "/v1/partners", body(public_jwk=jwk))
        assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-request"), jwk
    for jwk in ("x", 7, None, []):
        assert (await scene.ask("POST", "/v1/partners", body(public_jwk=jwk))).status_code == 422


async def test_of_a_key_only_the_key_is_kept(scene: Scene) -> None:
    sent = public(kid="ngo-2025", x5c=["…"], note={"owner": "示例"})
    await scene.staff("POST", "/v1/partners", body(public_jwk=sent))
    [row] = await scene.world.execute(
        scene.service, "SELECT jwk FROM client_keys WHERE client_id = 'new-ngo'"
    )
    assert row.jwk == {name: sent[name] for name in ("kty", "crv", "x")}


WRONG: list[dict[str, Any]] = [
    {"agency": ""}, {"agency": "Upper"}, {"agency": "a"}, {"agency": "x\0y"}, {"agency": "a" * 64},
    {"agency": "-ngo"}, {"agency": 7}, {"name": ""}, {"name": "   "}, {"name": "x" * 201},
    {"name": "nul\0"}, {"name": "two\nlines"}, {"name": "\ud800"}, {"kind": "SecretService"}, {"kind": ""},
    {"kind": "SchoolOrCollege"}, {"country": "THAI"}, {"country": "th"}, {"country": ""}, {"country": None},
    {"data_home": "T\0A"}, {"purposes": []}, {"purposes": ["spying"]}, {"purposes": "search"},
    {"clearance": []}, {"clearance": ["everything"]}, {"accredited": "perhaps"}, {"suspended": True},
]  # fmt: skip


async def test_what_is_not_valid_is_named_without_its_value(scene: Scene) -> None:
    for other in WRONG:
        response = await scene.ask("POST", "/v1/partners", body(**other))
        assert response.status_code == 422, other
        [field] = other
        assert {error["field"].split("[")[0] for error in response.json()["errors"]} == {field}, other
        assert "SecretService" not in response.text
    assert len((await scene.staff("GET", "/v1/partners"))["partners"]) == 3


async def test_a_name_may_be_in_any_script(scene: Scene) -> None:
    for number, name in enumerate(("救助　中心", "မြဝတီ​ကယ်ဆယ်ရေး", "ศูนย์ช่วยเหลือ", "Règle d’or !")):
        await scene.staff("POST", "/v1/partners", body(agency=f"ngo-{number}", name=name))
        assert (await scene.staff("GET", f"/v1/partners/ngo-{number}"))["name"] == name


async def test_purposes_and_clearance_are_sets(scene: Scene) -> None:
    twice = body(purposes=["search", "assistance", "search"], clearance=["status", "envelope", "status"])
    shown = await scene.staff("POST", "/v1/partners", twice)
    assert shown["purposes"] == ["assistance", "search"]
    assert shown["clearance"] == ["envelope", "status"]


async def test_an_unknown_agency_is_not_found(scene: Scene) -> None:
    for method, path in (
        ("GET", "/v1/partners/nobody"),
        ("POST", "/v1/partners/nobody/suspend"),
        ("POST", "/v1/partners/nobody/resume"),
    ):
        response = await scene.ask(method, path)
        assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
    rotating = await scene.ask("POST", "/v1/partners/nobody/rotate-key", {"public_jwk": public()})
    assert rotating.status_code == 404
    assert (await scene.ask("GET", "/v1/partners/no%00body")).status_code == 422


async def test_changes_are_said(scene: Scene) -> None:
    await scene.staff("POST", "/v1/partners/border-ngo/suspend")
    await scene.staff("POST", "/v1/partners/border-ngo/resume")
    await scene.staff("POST", "/v1/partners/border-ngo/rotate-key", {"public_jwk": public()})
    said = (await scene.world.said(scene.service, PartnerChanged))[-3:]
    assert [(one.agency, one.change) for one in said] == [
        ("border-ngo", "suspended"),
        ("border-ngo", "resumed"),
        ("border-ngo", "key-rotated"),
    ]


@pytest.mark.parametrize("scope", ["events:read", "consents:write", "partners:read"])
async def test_changing_the_registry_needs_its_scope(scene: Scene, scope: str) -> None:
    async with scene.world.client(scene.service, scope) as client:
        for path in ("/v1/partners", "/v1/partners/border-ngo/suspend", "/v1/partners/border-ngo/resume"):
            assert (await client.post(path, json=body())).status_code == 403
    async with scene.world.client(scene.service) as client:
        assert (await client.get("/v1/partners")).status_code == 401
