"""The operator's own staff: exactly those of the staff file may ask for tokens, in the roles it gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.world import World
from homeward.common import jose
from homeward.common.parts import Service
from homeward.exchange.app import StaffUnusable, create_service, enrol_staff
from homeward.exchange.configure import STAFF, configure
from homeward.exchange.domain import ROLE_SCOPES
from homeward.exchange.settings import Settings

from .scene import Scene
from .test_issuer import Client


def entry(role: str = "operator", **other: Any) -> dict[str, Any]:
    return {"organisation": "desk", "role": role, "jwk": jose.public_jwk(jose.new_key()), **other}


def staff_file(tmp_path: Path, staff: Any) -> Path:
    path = tmp_path / "staff.json"
    path.write_text(json.dumps(staff))
    return path


async def started(world: World, path: Path) -> Service:
    """An exchange that has enrolled the staff of a file."""
    service = await world.start(create_service, Settings, staff_file=path)
    assert await service.ready() is None
    return service


async def clients(world: World, service: Service) -> dict[str, str]:
    rows = await world.execute(service, "SELECT client_id, role FROM clients")
    return {row.client_id: row.role for row in rows}


PARTNERS = dict.fromkeys(["cn-police", "th-body", "border-ngo"], "partner")


async def test_who_leaves_the_staff_file_gets_no_more_tokens(world: World, tmp_path: Path) -> None:
    before = {"ana": entry(), "bo": entry("auditor")}
    service = await started(world, staff_file(tmp_path, before))
    assert await clients(world, service) == {**PARTNERS, "ana": "operator", "bo": "auditor"}
    after = {"bo": entry("reviewer")}
    service = await started(world, staff_file(tmp_path, after))
    assert await clients(world, service) == {**PARTNERS, "bo": "reviewer"}
    # Nor is a token that they have taken: neither Ana's nor one that Bo got by the former key.
    published = await service.parts.own["published"]()
    kids = sorted(jose.thumbprint(one["jwk"]) for one in before.values())
    assert published["revoked"] == kids
    service = await started(world, staff_file(tmp_path, before))
    published = await service.parts.own["published"]()
    assert published["revoked"] == [jose.thumbprint(after["bo"]["jwk"])]


async def test_a_process_without_a_staff_file_changes_nobody(world: World, tmp_path: Path) -> None:
    await started(world, staff_file(tmp_path, {"ana": entry()}))
    service = await world.start(create_service, Settings)
    await enrol_staff(service.parts)
    assert await clients(world, service) == {**PARTNERS, "ana": "operator"}


@pytest.mark.parametrize(
    "wrong",
    [entry("partner"), entry("king"), {"organisation": "desk"}, entry(jwk={}), entry(jwk=None)],
    ids=["a partner", "no such role", "no role", "an empty key", "no key"],
)
async def test_a_staff_file_that_is_not_valid_stops_the_start(
    world: World, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(StaffUnusable, match="ana"):
        await started(world, staff_file(tmp_path, {"ana": wrong}))


async def test_the_first_staff_get_tokens_by_the_credentials_written_for_them(
    world: World, tmp_path: Path
) -> None:
    configure(tmp_path, "http://localhost:8080")
    service = await started(world, tmp_path / "staff.json")
    async with world.client(service) as http:
        scene = Scene(world, service, http)
        for role in STAFF:
            path = tmp_path / "credentials" / f"{role}.json"
            assert path.stat().st_mode & 0o077 == 0
            known = json.loads(path.read_text())
            answer = await Client(scene, jose.key_of(known["private_jwk"]), known["client_id"]).ask()
            assert frozenset(answer.json()["scope"].split()) == ROLE_SCOPES[role]


def test_configuring_again_keeps_the_keys_and_follows_the_address(tmp_path: Path) -> None:
    configure(tmp_path, "http://first.test")
    path = tmp_path / "credentials" / "operator.json"
    before, issuer = json.loads(path.read_text()), (tmp_path / "issuer.jwk").read_text()
    configure(tmp_path, "http://second.test")
    after = json.loads(path.read_text())
    assert after == {**before, "base_url": "http://second.test"}
    assert (tmp_path / "issuer.jwk").read_text() == issuer
    assert (tmp_path / "issuer.jwk").stat().st_mode & 0o077 == 0


def test_no_role_of_staff_reads_a_partners_feed() -> None:
    for role, scopes in ROLE_SCOPES.items():
        assert ("events:read" in scopes) is (role == "partner")
