"""Verification over HTTP."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from harness.world import World
from homeward.common.contracts import PersonRegistered, ReportReceived, ReportUnlinked, StatusAsserted
from homeward.common.parts import Service

from .reports import ID_NUMBER, count, person_of, report

SCOPES = ["persons:read", "statuses:write", "subjects:erase", "links:write", "operations"]
NOT_A_VICTIM = {"trafficking_status": "NotAVictimOfTrafficking", "deciding_organisation": "Police"}
POSSIBLE = {"trafficking_status": "PossibleVictimOfTrafficking", "deciding_organisation": "NGO"}


@pytest.fixture
async def http(world: World, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client with all scopes."""
    async with world.client(service, *SCOPES) as client:
        yield client


@pytest.fixture
async def reports(world: World, service: Service) -> list[ReportReceived]:
    """Two reports about one person, a third about somebody else."""
    said = [report(id_number=ID_NUMBER), report(id_number=ID_NUMBER, full_name="王星"), report()]
    await world.deliver(service, *said)
    return said


@pytest.fixture
async def person_id(world: World, service: Service, reports: list[ReportReceived]) -> UUID:
    """The person with two reports."""
    found = await person_of(world, service, reports[0])
    assert found is not None
    return found


async def test_a_person_by_id_and_by_report(
    http: httpx.AsyncClient, reports: list[ReportReceived], person_id: UUID
) -> None:
    by_id = await http.get(f"/v1/persons/{person_id}")
    assert by_id.json() == {
        "person_id": str(person_id),
        "registered_at": "2025-01-07T09:30:00Z",
        "erased_at": None,
        "backups_unreadable_since": None,
        "report_ids": [str(one.report_id) for one in reports[:2]],
        "statuses": [],
    }
    by_report = await http.get("/v1/persons", params={"report_id": str(reports[1].report_id)})
    assert by_report.json() == {"persons": [by_id.json()]}
    assert ID_NUMBER not in by_id.text + by_report.text


async def test_counts_are_side_by_side(http: httpx.AsyncClient, person_id: UUID) -> None:
    assert (await http.get("/v1/counts")).json() == {"reports": 3, "persons": 2, "erased": 0}
    await http.post(f"/v1/persons/{person_id}/erase")
    assert (await http.get("/v1/counts")).json() == {"reports": 1, "persons": 1, "erased": 1}


async def test_a_status_is_asserted_and_others_stay_beside_it(
    world: World, service: Service, http: httpx.AsyncClient, person_id: UUID
) -> None:
    first = await http.post(f"/v1/persons/{person_id}/statuses", json=POSSIBLE)
    assert first.status_code == 201
    world.pass_time(days=2)
    reasoned = {**NOT_A_VICTIM, "reason": "Interviewed; was never recruited."}
    second = await http.post(f"/v1/persons/{person_id}/statuses", json=reasoned)
    shown = (await http.get(f"/v1/persons/{person_id}")).json()["statuses"]
    assert shown == [first.json(), second.json()]
    assert shown[1] == {
        **NOT_A_VICTIM,
        "assertion_id": shown[1]["assertion_id"],
        "person_id": str(person_id),
        "asserted_at": "2025-01-09T09:30:00Z",
    }
    said = await world.said(service, StatusAsserted)
    assert [(s.trafficking_status, s.reason) for s in said] == [
        ("PossibleVictimOfTrafficking", None),
        ("NotAVictimOfTrafficking", reasoned["reason"]),
    ]
    tables = await world.execute(service, "SELECT statuses::text FROM statuses")
    assert reasoned["reason"] not in str(tables), "the reason rests sealed only"


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": "    "}])
async def test_that_somebody_is_no_victim_needs_a_reason(
    http: httpx.AsyncClient, person_id: UUID, reason: dict[str, str]
) -> None:
    answer = await http.post(f"/v1/persons/{person_id}/statuses", json=NOT_A_VICTIM | reason)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "reason"


async def test_a_repeated_post_asserts_once(
    world: World, service: Service, http: httpx.AsyncClient, person_id: UUID
) -> None:
    url, key = f"/v1/persons/{person_id}/statuses", {"Idempotency-Key": "k1"}
    first = await http.post(url, json=POSSIBLE, headers=key)
    again = await http.post(url, json=POSSIBLE, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await world.said(service, StatusAsserted)) == 1
    other = await http.post(url, json={**POSSIBLE, "deciding_organisation": "Other"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {**POSSIBLE, "suspect": True},
        {**POSSIBLE, "trafficking_status": "Suspect"},
        {**POSSIBLE, "reason": "a\x00bcd"},
        {**POSSIBLE, "reason": "x" * 4_001},
        {**POSSIBLE, "reason": 7},
        {**POSSIBLE, "deciding_organisation": None},
    ],
)
async def test_a_bad_status_is_refused_without_quoting_it(
    world: World, service: Service, http: httpx.AsyncClient, person_id: UUID, body: object
) -> None:
    answer = await http.post(f"/v1/persons/{person_id}/statuses", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Suspect" not in answer.text
    assert "xxx" not in answer.text
    assert await count(world, service, "statuses") == 0


async def test_erasing_destroys_the_keys_of_the_person_and_the_reports(
    world: World, service: Service, http: httpx.AsyncClient, reports: list[ReportReceived], person_id: UUID
) -> None:
    answer = await http.post(f"/v1/persons/{person_id}/erase")
    assert answer.status_code == 202
    destroyed = {str(person_id), *(str(one.report_id) for one in reports[:2])}
    assert world.keyring.erased.keys() == destroyed
    assert await count(world, service, "matching_index") == 0, "at once, not when the event comes"
    assert await count(world, service, "reports WHERE sealed IS NULL") == 2
    await world.announce_erasures(service)

    shown = (await http.get(f"/v1/persons/{person_id}")).json()
    assert shown["erased_at"] == answer.json()["erased_at"]
    again = await http.post(f"/v1/persons/{person_id}/erase", json={})
    assert (again.status_code, again.json()) == (202, answer.json())


async def test_reporters_are_erased_at_their_wish_alone_even_later(
    world: World, service: Service, http: httpx.AsyncClient, reports: list[ReportReceived], person_id: UUID
) -> None:
    await http.post(f"/v1/persons/{person_id}/erase", json={"reporters": False})
    reporters = {str(one.reporter_id) for one in reports[:2]}
    assert not world.keyring.erased.keys() & reporters
    await http.post(f"/v1/persons/{person_id}/erase", json={"reporters": True})
    assert world.keyring.erased.keys() >= reporters


async def test_nothing_is_erased_here_while_the_keyring_is_away(
    world: World, service: Service, http: httpx.AsyncClient, person_id: UUID
) -> None:
    world.keyring.away = True
    answer = await http.post(f"/v1/persons/{person_id}/erase")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/try-again")
    world.keyring.away = False
    assert (await http.get(f"/v1/persons/{person_id}")).json()["erased_at"] is None
    assert await count(world, service, "matching_index") == 2


async def test_of_an_erased_person_nothing_more_is_asserted(
    http: httpx.AsyncClient, reports: list[ReportReceived], person_id: UUID
) -> None:
    await http.post(f"/v1/persons/{person_id}/erase")
    asserted = await http.post(f"/v1/persons/{person_id}/statuses", json=POSSIBLE)
    unlinked = await http.delete(f"/v1/persons/{person_id}/reports/{reports[0].report_id}")
    assert [asserted.status_code, unlinked.status_code] == [410, 410]


async def test_unlinking_registers_whom_the_report_is_about(
    world: World, service: Service, http: httpx.AsyncClient, reports: list[ReportReceived], person_id: UUID
) -> None:
    moved = reports[1]
    answer = await http.delete(f"/v1/persons/{person_id}/reports/{moved.report_id}")
    assert answer.status_code == 200
    new_person_id = UUID(answer.json()["new_person_id"])
    assert await person_of(world, service, moved) == new_person_id
    assert (await world.said(service))[-2:] == [
        PersonRegistered(person_id=new_person_id, report_id=moved.report_id),
        ReportUnlinked(person_id=person_id, report_id=moved.report_id, new_person_id=new_person_id),
    ]
    history = await world.execute(
        service,
        "SELECT person_id, ended_at IS NULL AS current, basis, actor FROM links WHERE report_id = :id "
        "ORDER BY position",
        id=moved.report_id,
    )
    assert [tuple(row) for row in history] == [
        (person_id, False, "id_number", "service:verification"),
        (new_person_id, True, None, "client:caseworker-1"),
    ]
    rows = await world.execute(
        service, "SELECT person_id FROM matching_index WHERE report_id = :id", id=moved.report_id
    )
    assert {row.person_id for row in rows} == {new_person_id}
    again = await http.delete(f"/v1/persons/{person_id}/reports/{moved.report_id}")
    assert again.status_code == 404


async def test_the_only_report_about_a_person_stays(
    world: World, service: Service, http: httpx.AsyncClient, reports: list[ReportReceived]
) -> None:
    only = await person_of(world, service, reports[2])
    answer = await http.delete(f"/v1/persons/{only}/reports/{reports[2].report_id}")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/only-report")


async def test_the_index_is_rebuilt_when_asked(http: httpx.AsyncClient, person_id: UUID) -> None:
    answer = await http.post("/v1/matching-index/rebuild")
    assert answer.status_code == 200
    assert (answer.json()["reports"], answer.json()["keys"]) == (3, 2)


REQUESTS = [
    ("GET", "/v1/persons/{id}", None),
    ("POST", "/v1/persons/{id}/statuses", POSSIBLE),
    ("POST", "/v1/persons/{id}/erase", None),
    ("DELETE", "/v1/persons/{id}/reports/{id}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_an_unknown_person_is_not_found(
    http: httpx.AsyncClient, method: str, path: str, body: object
) -> None:
    answer = await http.request(method, path.format(id=uuid4()), json=body)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_a_report_that_is_not_matched_yet_has_no_person(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/v1/persons?report_id={uuid4()}")).json() == {"persons": []}
    assert (await http.get("/v1/persons")).status_code == 422
    assert (await http.get("/v1/persons/not-a-uuid")).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [*REQUESTS, ("GET", "/v1/persons?report_id={id}", None), ("GET", "/v1/counts", None),
     ("POST", "/v1/matching-index/rebuild", None)],
)  # fmt: skip
async def test_who_is_not_known_or_not_entitled_is_refused(
    world: World, service: Service, method: str, path: str, body: object
) -> None:
    url = path.format(id=uuid4())
    async with world.client(service) as nobody:
        refused = await nobody.request(method, url, json=body)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].endswith("Bearer")
        forged = await nobody.request(method, url, json=body, headers={"Authorization": "Bearer forged"})
        assert forged.status_code == 401
    async with world.client(service, "cases:read") as other:
        answer = await other.request(method, url, json=body)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/scope-missing")
