"""Referral over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from harness.world import World
from homeward.common.contracts import (
    FieldClass,
    PersonRegistered,
    ReferralAccepted,
    ReferralCompleted,
    ReferralOpened,
    ReferralRejected,
    ReferralRevoked,
    SubjectErased,
)
from homeward.common.ids import new_id
from homeward.common.parts import Service

ASKED: dict[str, Any] = {
    "receiving_agency": "ngo-mae-sot",
    "services": ["shelter", "legal_help"],
    "priority": "72h",
    "classes": ["person_identity", "health", "health"],
}


@pytest.fixture
async def desk(world: World, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A caseworker."""
    async with world.client(service, "cases:read", "referrals:write") as client:
        yield client


@pytest.fixture
async def ngo(world: World, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The agency that is asked."""
    async with world.client(
        service, "referrals:respond", organisation="ngo-mae-sot", role="partner", client_id="ngo-1"
    ) as client:
        yield client


@pytest.fixture
async def police(world: World, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Another agency."""
    async with world.client(
        service, "referrals:respond", organisation="th-police", role="partner", client_id="police-1"
    ) as client:
        yield client


@pytest.fixture
async def person_id(world: World, service: Service) -> UUID:
    registered = PersonRegistered(person_id=new_id(), report_id=new_id())
    await world.deliver(service, registered)
    return registered.person_id


@pytest.fixture
async def case_id(desk: httpx.AsyncClient, person_id: UUID) -> str:
    [case] = (await desk.get("/v1/cases", params={"person_id": str(person_id)})).json()["cases"]
    return str(case["case_id"])


@pytest.fixture
async def referral_id(desk: httpx.AsyncClient, case_id: str) -> str:
    answer = await desk.post(f"/v1/cases/{case_id}/referrals", json=ASKED)
    assert answer.status_code == 201
    return str(answer.json()["referral_id"])


async def test_a_case_by_id_and_by_person(desk: httpx.AsyncClient, person_id: UUID, case_id: str) -> None:
    by_id = (await desk.get(f"/v1/cases/{case_id}")).json()
    assert by_id == {
        "case_id": case_id,
        "person_id": str(person_id),
        "case_status": "Active",
        "search_status": "information_sought",
        "opened_at": "2025-01-07T09:30:00Z",
        "closed_at": None,
        "reason": None,
        "referrals": [],
    }
    assert (await desk.get(f"/v1/cases?person_id={uuid4()}")).json() == {"cases": []}


async def test_opening_names_exactly_what_is_disclosed(
    world: World, service: Service, desk: httpx.AsyncClient, person_id: UUID, case_id: str
) -> None:
    answer = await desk.post(f"/v1/cases/{case_id}/referrals", json=ASKED)
    assert answer.status_code == 201
    referral = answer.json()
    assert referral == {
        "referral_id": referral["referral_id"],
        "case_id": case_id,
        "asking_organisation": "homeward-desk",
        "receiving_agency": "ngo-mae-sot",
        "services": ["legal_help", "shelter"],
        "priority": "72h",
        "classes": ["health", "person_identity"],
        "state": "in_progress",
        "opened_at": "2025-01-07T09:30:00Z",
        "respond_by": "2025-01-10T09:30:00Z",
    }
    [opened] = await world.said(service, ReferralOpened)
    assert opened.classes == (FieldClass.HEALTH, FieldClass.PERSON_IDENTITY)
    assert (str(opened.case_id), opened.person_id) == (case_id, person_id)
    assert (await desk.get(f"/v1/cases/{case_id}")).json()["referrals"][0]["state"] == "in_progress"


async def test_accepted_and_completed_by_the_receiver(
    world: World, service: Service, desk: httpx.AsyncClient, ngo: httpx.AsyncClient, referral_id: str
) -> None:
    accepted = await ngo.post(f"/v1/referrals/{referral_id}/accept")
    assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")
    outcome = {"outcome": "not_successful", "reason": "unable_to_contact_client"}
    done = await ngo.post(f"/v1/referrals/{referral_id}/complete", json=outcome)
    assert done.json() == {**accepted.json(), "state": "done", **outcome}
    assert "case_id" not in done.json(), "the receiver has an id of its own for the case"
    assert (await desk.get(f"/v1/referrals/{referral_id}")).json()["state"] == "done"
    said = (await world.said(service))[-2:]
    assert [type(s) for s in said] == [ReferralAccepted, ReferralCompleted]
    assert isinstance(said[1], ReferralCompleted)
    assert (said[1].outcome, said[1].reason) == ("not_successful", "unable_to_contact_client")


async def test_rejected_by_the_receiver(
    world: World, service: Service, ngo: httpx.AsyncClient, referral_id: str
) -> None:
    answer = await ngo.post(f"/v1/referrals/{referral_id}/reject", json={"reason": "lack_of_capacity"})
    assert (answer.json()["state"], answer.json()["reason"]) == ("rejected", "lack_of_capacity")
    [rejected] = await world.said(service, ReferralRejected)
    assert rejected.reason == "lack_of_capacity"


async def test_revoked_by_the_asker(
    world: World, service: Service, desk: httpx.AsyncClient, ngo: httpx.AsyncClient, referral_id: str
) -> None:
    await ngo.post(f"/v1/referrals/{referral_id}/accept")
    assert (await desk.post(f"/v1/referrals/{referral_id}/revoke")).json()["state"] == "revoked"
    [revoked] = await world.said(service, ReferralRevoked)
    assert str(revoked.referral_id) == referral_id


async def test_an_illegal_move_says_where_it_stands_and_what_is_allowed(
    world: World, service: Service, ngo: httpx.AsyncClient, desk: httpx.AsyncClient, referral_id: str
) -> None:
    early = await ngo.post(f"/v1/referrals/{referral_id}/complete", json={"outcome": "successful"})
    assert early.status_code == 409
    problem = early.json()
    assert (problem["type"], problem["state"]) == ("/problems/illegal-move", "in_progress")
    assert problem["allowed"] == ["accept", "reject", "revoke"]
    await desk.post(f"/v1/referrals/{referral_id}/revoke")
    late = (await ngo.post(f"/v1/referrals/{referral_id}/accept")).json()
    assert (late["status"], late["state"], late["allowed"]) == (409, "revoked", [])
    assert len(await world.said(service, ReferralAccepted)) == 0


async def test_of_two_moves_at_the_same_moment_one_is_made(
    world: World, service: Service, ngo: httpx.AsyncClient, desk: httpx.AsyncClient, case_id: str
) -> None:
    # Connections for all first: opening one takes longer than a move.
    await asyncio.gather(*(desk.get(f"/v1/cases/{case_id}") for _ in range(5)))
    for _ in range(5):
        opened = await desk.post(f"/v1/cases/{case_id}/referrals", json=ASKED)
        url = f"/v1/referrals/{opened.json()['referral_id']}"
        answers = await asyncio.gather(
            ngo.post(f"{url}/reject", json={"reason": "other"}),
            desk.post(f"{url}/revoke"),
            ngo.post(f"{url}/reject", json={"reason": "other"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert len(await world.said(service, ReferralRejected, ReferralRevoked)) == 5


def _but_for_the_quota(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "ratelimit"}


async def test_for_another_agency_a_referral_is_not_there(
    police: httpx.AsyncClient, ngo: httpx.AsyncClient, referral_id: str
) -> None:
    unknown = await police.get(f"/v1/referrals/{uuid4()}")
    assert unknown.status_code == 404
    answers = [
        await police.get(f"/v1/referrals/{referral_id}"),
        await police.post(f"/v1/referrals/{referral_id}/accept"),
        await police.post(f"/v1/referrals/{referral_id}/reject", json={"reason": "other"}),
        await police.post(f"/v1/referrals/{referral_id}/complete", json={"outcome": "successful"}),
        await police.post(f"/v1/referrals/{uuid4()}/accept"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.content) == (404, unknown.content)
        assert _but_for_the_quota(answer) == _but_for_the_quota(unknown)
    everything = await police.get("/v1/referrals", params={"after": str(uuid4())})
    assert (await police.get("/v1/referrals", params={"after": referral_id})).content == everything.content
    assert (await police.get("/v1/referrals")).json() == {"referrals": []}
    assert (await ngo.get(f"/v1/referrals/{referral_id}")).status_code == 200


async def test_lists_by_state_page_by_page(
    desk: httpx.AsyncClient, ngo: httpx.AsyncClient, police: httpx.AsyncClient, case_id: str
) -> None:
    ids = []
    for agency in ("ngo-mae-sot", "th-police", "ngo-mae-sot"):
        body = {**ASKED, "receiving_agency": agency}
        ids.append((await desk.post(f"/v1/cases/{case_id}/referrals", json=body)).json()["referral_id"])
    await ngo.post(f"/v1/referrals/{ids[0]}/accept")

    async def listed(client: httpx.AsyncClient, **query: str) -> list[str]:
        answer = await client.get("/v1/referrals", params=query)
        return [referral["referral_id"] for referral in answer.json()["referrals"]]

    assert await listed(desk) == ids
    assert await listed(desk, state="in_progress") == ids[1:]
    assert await listed(ngo) == [ids[0], ids[2]]
    assert await listed(ngo, state="accepted") == [ids[0]]
    assert await listed(police) == [ids[1]]
    assert await listed(desk, limit="2") == ids[:2]
    assert await listed(desk, limit="2", after=ids[1]) == ids[2:]
    assert (await desk.get("/v1/referrals?state=lost")).status_code == 422


async def test_the_case_of_an_erased_person_takes_no_referral(
    world: World, service: Service, desk: httpx.AsyncClient, ngo: httpx.AsyncClient,
    person_id: UUID, case_id: str, referral_id: str,
) -> None:  # fmt: skip
    await world.deliver(
        service,
        SubjectErased(
            erasure_id=new_id(), subjects=(str(person_id),), person_id=person_id, erased_at=world.now
        ),
    )
    for answer in (
        await desk.post(f"/v1/cases/{case_id}/referrals", json=ASKED),
        await ngo.post(f"/v1/referrals/{referral_id}/accept"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/case-closed")
    assert (await desk.get(f"/v1/cases/{case_id}")).json()["reason"] == "erased"


async def test_a_repeated_post_is_done_once(
    world: World, service: Service, desk: httpx.AsyncClient, ngo: httpx.AsyncClient, case_id: str
) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = [await desk.post(f"/v1/cases/{case_id}/referrals", json=ASKED, headers=key) for _ in "ab"]
    assert first.json() == again.json()
    assert len(await world.said(service, ReferralOpened)) == 1
    moves = [await ngo.post(f"/v1/referrals/{first.json()['referral_id']}/accept", headers=key) for _ in "ab"]
    assert [move.status_code for move in moves] == [200, 200]
    assert moves[0].json() == moves[1].json()


@pytest.mark.parametrize(
    "change",
    [
        {"receiving_agency": "NGO Mae Sot"},
        {"receiving_agency": "ngo\x00"},
        {"services": []},
        {"services": ["arrest"]},
        {"priority": "1h"},
        {"classes": []},
        {"classes": ["everything"]},
        {"case_status": "Closed"},
        {"classes": None},
    ],
)
async def test_a_bad_referral_is_refused_without_quoting_it(
    world: World, service: Service, desk: httpx.AsyncClient, case_id: str, change: dict[str, object]
) -> None:
    answer = await desk.post(f"/v1/cases/{case_id}/referrals", json={**ASKED, **change})
    assert answer.status_code == 422
    assert "arrest" not in answer.text
    assert "Mae Sot" not in answer.text
    assert await world.said(service, ReferralOpened) == []


@pytest.mark.parametrize(
    ("move", "body"),
    [
        ("reject", {}),
        ("reject", {"reason": "dislike"}),
        ("complete", {"outcome": "not_successful"}),
        ("complete", {"outcome": "successful", "reason": "other"}),
        ("complete", {"outcome": "successful", "note": "x"}),
    ],
)
async def test_a_bad_move_is_refused(
    ngo: httpx.AsyncClient, referral_id: str, move: str, body: dict[str, str]
) -> None:
    assert (await ngo.post(f"/v1/referrals/{referral_id}/{move}", json=body)).status_code == 422
    assert (await ngo.get(f"/v1/referrals/{referral_id}")).json()["state"] == "in_progress"


REQUESTS = [
    ("GET", "/v1/cases/{id}", None),
    ("POST", "/v1/cases/{id}/referrals", ASKED),
    ("GET", "/v1/referrals/{id}", None),
    ("POST", "/v1/referrals/{id}/accept", None),
    ("POST", "/v1/referrals/{id}/reject", {"reason": "other"}),
    ("POST", "/v1/referrals/{id}/complete", {"outcome": "successful"}),
    ("POST", "/v1/referrals/{id}/revoke", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_unknown_is_not_found(
    world: World, service: Service, method: str, path: str, body: object
) -> None:
    async with world.client(service, "cases:read", "referrals:write", "referrals:respond") as client:
        answer = await client.request(method, path.format(id=uuid4()), json=body)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
        assert (await client.request(method, path.format(id="no-uuid"), json=body)).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [*REQUESTS, ("GET", "/v1/cases?person_id={id}", None), ("GET", "/v1/referrals", None)],
)
async def test_who_is_not_known_or_not_entitled_is_refused(
    world: World, service: Service, method: str, path: str, body: object
) -> None:
    url = path.format(id=uuid4())
    async with world.client(service) as nobody:
        refused = await nobody.request(method, url, json=body)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].endswith("Bearer")
    async with world.client(service, "persons:read") as other:
        answer = await other.request(method, url, json=body)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/scope-missing")
