"""Consents, objections and holds over HTTP: what is registered, and what cannot be."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from homeward.common.contracts import ConsentGranted, ConsentWithdrawn
from homeward.common.ids import new_id

from .scene import BASIC, NGO, POLICE, Scene, consent, report, reports_in


@pytest.fixture
async def person_id(scene: Scene) -> UUID:
    return await scene.known(report(consent(NGO)))


def body(person_id: UUID | str, **other: Any) -> dict[str, Any]:
    """A consent as it should be, but for ``other``."""
    right = {
        "person_id": str(person_id),
        "recipient": POLICE["agency"],
        "purpose": "search",
        "classes": sorted(BASIC),
        "given_by": "self",
    }
    return {**right, **other}


async def test_a_consent_is_registered_and_in_force(scene: Scene, person_id: UUID) -> None:
    until = scene.world.now + timedelta(days=30)
    sent = body(person_id, classes=["status", "envelope", "status"], expires_at=until.isoformat())
    response = await scene.ask("POST", "/v1/consents", sent)
    assert response.status_code == 201
    granted = response.json()
    assert granted["classes"] == ["envelope", "status"]
    listed = (await scene.staff("GET", f"/v1/consents?person_id={person_id}"))["consents"]
    listed.sort(key=lambda one: one["recipient"])
    assert [one["recipient"] for one in listed] == [NGO["agency"], POLICE["agency"]]
    assert listed[1]["consent_id"] == granted["consent_id"]
    assert len(reports_in(await scene.read(POLICE))) == 1


async def test_withdrawing_says_what_was_withdrawn(scene: Scene, person_id: UUID) -> None:
    await scene.grant(person_id, POLICE, *BASIC)
    other = await scene.grant(person_id, POLICE, *BASIC, purpose="assistance")
    gone = await scene.withdraw(person_id, recipient=POLICE["agency"], purpose="search")
    assert len(gone["consents"]) == 1
    assert gone["consents"][0]["withdrawn_at"] is not None
    assert (await scene.withdraw(person_id, consent_id=other["consent_id"]))["consents"] != []
    assert (await scene.withdraw(person_id, consent_id=other["consent_id"]))["consents"] == []
    assert len((await scene.withdraw(person_id))["consents"]) == 1
    assert len(await scene.world.said(scene.service, ConsentWithdrawn)) == 3


async def test_another_persons_consent_cannot_be_withdrawn_by_its_id(scene: Scene, person_id: UUID) -> None:
    theirs = await scene.known(report(consent(NGO)))
    [kept] = (await scene.staff("GET", f"/v1/consents?person_id={theirs}"))["consents"]
    assert (await scene.withdraw(person_id, consent_id=kept["consent_id"]))["consents"] == []
    assert len(reports_in(await scene.read(NGO))) == 2


WRONG: list[dict[str, Any]] = [
    {"person_id": "nobody"}, {"person_id": None}, {"recipient": "nul\0"}, {"recipient": "A B"},
    {"recipient": ""}, {"purpose": "gossip"}, {"purpose": "\0"}, {"classes": []}, {"classes": ["all"]},
    {"classes": "envelope"}, {"given_by": "neighbour"}, {"given_by": "\ud800"}, {"expires_at": "soon"},
    {"expires_at": "2026-01-01T00:00:00"}, {"expires_at": "9999-12-31T23:59:59-12:00"},
    {"expires_at": "0001-01-01T00:00:00+12:00"}, {"expires_at": "2025-01-07T09:30:00Z"}, {"colour": "red"},
]  # fmt: skip


async def test_what_is_not_valid_is_refused(scene: Scene, person_id: UUID) -> None:
    for other in WRONG:
        response = await scene.ask("POST", "/v1/consents", {**body(person_id), **other})
        assert response.status_code == 422, other
        [field] = other
        assert {error["field"].split("[")[0] for error in response.json()["errors"]} == {field}, other
    assert await scene.world.said(scene.service, ConsentGranted) == []


async def test_who_is_not_known_is_not_found(scene: Scene) -> None:
    nobody = new_id()
    restriction = {"person_id": str(nobody), "recipient": NGO["agency"]}
    asked = [
        ("POST", "/v1/consents", body(nobody)),
        ("POST", "/v1/consents/withdrawals", {"person_id": str(nobody)}),
        ("GET", f"/v1/consents?person_id={nobody}", None),
        *(("POST", path, restriction) for path in ("/v1/holds", "/v1/holds/lift")),
        *(("POST", path, restriction) for path in ("/v1/objections", "/v1/objections/withdraw")),
    ]
    for method, path, sent in asked:
        response = await scene.ask(method, path, sent)
        assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found"), path


async def test_the_same_idempotency_key_grants_once(scene: Scene, person_id: UUID) -> None:
    token = scene.world.verifier.token("consents:write")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "grant-1"}
    answers = [await scene.ask("POST", "/v1/consents", body(person_id), headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(await scene.world.said(scene.service, ConsentGranted)) == 1
    headers["Idempotency-Key"] = "withdrawal-1"
    path, which = "/v1/consents/withdrawals", {"person_id": str(person_id)}
    answers = [await scene.ask("POST", path, which, headers=headers) for _ in range(2)]
    assert [len(answer.json()["consents"]) for answer in answers] == [2, 2]
    assert len(await scene.world.said(scene.service, ConsentWithdrawn)) == 2


async def test_changing_the_register_needs_its_scope(scene: Scene, person_id: UUID) -> None:
    restriction = {"person_id": str(person_id), "recipient": NGO["agency"]}
    async with scene.world.client(scene.service, "consents:read", "partners:write") as client:
        for path in ("/v1/consents/withdrawals", "/v1/holds", "/v1/holds/lift", "/v1/objections/withdraw"):
            assert (await client.post(path, json=restriction)).status_code == 403
        assert (await client.post("/v1/consents", json=body(person_id))).status_code == 403
