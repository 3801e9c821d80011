"""Handing in one report, or many."""

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from harness.world import World
from homeward.common.contracts import ReportReceived, StatedConsent
from homeward.common.parts import Service

from .conftest import CONSENT, codes, counts, tables

REPORT = {
    "full_name": "王星",
    "kind": "missing",
    "reporter_reference": "A-1",
    "alternate_names": ["Wang Xing", "小星"],
    "sex": "M",
    "date_of_birth": "1998-05",
    "age": 25,
    "citizenship": ["CHN"],
    "last_known_location": "Myawaddy",
    "narrative": "Lured by a job.",
    "reporter_name": "Mother",
    "reporter_contact": "never leave a message",
}


async def test_one_report_is_accepted_with_a_receipt(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/reports", json=REPORT)
    assert answer.status_code == 201
    assert counts(answer) == (1, 1, 0, 0)
    [result] = answer.json()["results"]
    assert result["row"] == 1
    assert result["outcome"] == "accepted"
    keys = KeySet.import_key_set((await http.get("/v1/receipt-keys")).json())
    assert jwt.decode(result["signed_receipt"], keys, algorithms=["Ed25519"]).claims == {
        "iss": "http://localhost:8080",
        "sub": result["report_id"],
        "event_id": result["event_id"],
        "iat": 1736242200,
    }


async def test_what_was_said_is_announced(world: World, service: Service, http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/reports", json=REPORT)
    [event] = await world.said(service, ReportReceived)
    [result] = answer.json()["results"]
    assert str(event.report_id) == result["report_id"]
    assert event.channel == "api"
    assert event.received_at == world.now
    said = event.model_dump(exclude_none=True, include=set(REPORT) | {"last_known_country"})
    assert said == REPORT | {
        "alternate_names": ("Wang Xing", "小星"),
        "citizenship": ("CHN",),
        "last_known_country": "MMR",
    }
    [row] = await world.execute(service, "SELECT id, actor, stream FROM outbox")
    assert (str(row.id), row.actor, row.stream) == (
        result["event_id"],
        "client:caseworker-1",
        str(event.report_id),
    )


async def test_only_a_name_is_needed(world: World, service: Service, http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/reports", json={"full_name": "王星"})).status_code == 201
    [event] = await world.said(service, ReportReceived)
    assert (event.kind, event.reporter_id) == ("missing", event.report_id), "nobody to keep apart"


async def test_who_reported_is_a_subject_of_their_own(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    await http.post("/v1/reports", json=REPORT)
    [event] = await world.said(service, ReportReceived)
    assert event.reporter_id != event.report_id
    await world.keyring.erase([str(event.report_id)], person_id=str(event.report_id), actor="client:x")
    [left] = await world.said(service, ReportReceived)
    assert (left.full_name, left.narrative, left.reporter_name) == (None, None, "Mother")


async def test_what_cannot_be_read_is_named_and_kept(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    odd = {"full_name": "王星", "age": "二十五", "date_of_birth": "last year", "sex": "?"}
    answer = await http.post("/v1/reports", json=odd)
    assert counts(answer) == (1, 1, 0, 0)
    assert codes(answer) == [
        (1, "sex", "unknown_sex"),
        (1, "date_of_birth", "unreadable_date"),
        (1, "age", "unreadable_age"),
    ]
    assert not any(value in answer.text for value in ("二十五", "last year"))
    [event] = await world.said(service, ReportReceived)
    assert event.unreadable == {k: v for k, v in odd.items() if k != "full_name"}


async def test_one_report_without_a_usable_name_is_refused(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    answer = await http.post("/v1/reports", json={"full_name": "???", "age": "x"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/unusable-report"
    assert codes(answer) == [(1, "full_name", "unusable_name"), (1, "age", "unreadable_age")]
    assert await world.said(service) == []


async def test_of_many_each_has_its_outcome_in_order(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    await http.post("/v1/reports", json={"full_name": "A", "reporter_reference": "1"})
    answer = await http.post(
        "/v1/reports",
        json=[
            {"full_name": "B", "reporter_reference": "2"},
            {"full_name": "123"},
            {"full_name": "A", "reporter_reference": "1"},
            {"full_name": "B", "reporter_reference": "2"},
            {"full_name": "C"},
        ],
    )
    assert answer.status_code == 201
    outcomes = [r["outcome"] for r in answer.json()["results"]]
    assert outcomes == ["accepted", "rejected", "already_imported", "already_imported", "accepted"]
    assert counts(answer) == (5, 2, 2, 1)
    assert [e.full_name for e in await world.said(service, ReportReceived)] == ["A", "B", "C"]


async def test_a_thousand_and_not_one_more(http: httpx.AsyncClient) -> None:
    many = [{"full_name": f"Person {'abcdefghij'[i % 10]} {i}"} for i in range(1_001)]
    refused = await http.post("/v1/reports", json=many)
    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json()["errors"]] == [("body", "too_long")]
    accepted = await http.post("/v1/reports", json=many[:1_000])
    assert counts(accepted) == (1_000, 1_000, 0, 0)


async def test_consents_travel_with_the_event(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    stated = [CONSENT, {**CONSENT, "recipient": "border-ngo", "expires_at": "2026-01-01T00:00:00+08:00"}]
    answer = await http.post("/v1/reports", json={"full_name": "王星", "consents": stated})
    assert answer.status_code == 201
    [event] = await world.said(service, ReportReceived)
    assert event.consents == tuple(StatedConsent.model_validate(one) for one in stated)


async def test_a_consent_that_is_not_exact_is_none(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"purpose": "curiosity"}, "purpose"),
        ({"recipient": "No Such Form"}, "recipient"),
        ({"classes": []}, "classes"),
        ({"classes": ["everything"]}, "classes[0]"),
        ({"given_by": "neighbour"}, "given_by"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"note": "x"}, "note"),
    ]
    for changed, field in wrong:
        answer = await http.post("/v1/reports", json={"full_name": "王星", "consents": [CONSENT | changed]})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [f"consents[0].{field}"]
    assert await world.said(service) == []


async def test_the_same_key_gives_the_same_answer_and_does_it_once(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await http.post("/v1/reports", json=REPORT, headers=headers)
    world.pass_time(minutes=5)
    again = await http.post("/v1/reports", json=REPORT, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await world.said(service, ReportReceived)) == 1
    other = await http.post("/v1/reports", json={"full_name": "Other"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["type"] == "/problems/idempotency-key-reused"


async def test_an_api_row_is_the_same_row_as_in_a_list(http: httpx.AsyncClient) -> None:
    await http.post("/v1/reports", json={"full_name": "王星", "age": 25})
    again = await http.post("/v1/reports", json={"full_name": "王星 ", "age": "25"})
    assert counts(again) == (1, 0, 1, 0)


class TestNothingPersonalIsReadable:
    """Whoever reads the database, or what was answered, learns nothing about anybody."""

    async def test_in_no_column_of_any_table(
        self, world: World, service: Service, http: httpx.AsyncClient
    ) -> None:
        columns = (await http.get("/v1/report-columns")).json()["columns"]
        cells = {column: f"MARKER {column}" for column in columns} | {"kind": "found"}
        listed = {**cells, "alternate_names": ["MARKER one"], "citizenship": ["MARKER"]}
        read = {
            "full_name": "MARKER Read", "sex": "F", "date_of_birth": "1987-06-05", "age": 37,
            "id_number": "99999919870605", "phone": "+86000055512", "citizenship": ["CHN"],
            "reporter_reference": "MARKER-2",
        }  # fmt: skip
        for key, body in (("k-1", listed), ("k-2", read)):
            answer = await http.post("/v1/reports", json=body, headers={"Idempotency-Key": key})
            assert answer.status_code == 201
            assert "MARKER" not in answer.text
        events = await world.said(service, ReportReceived)
        assert len(str(events).split("MARKER")) > 24, "the markers are there, for whoever holds the keys"
        everything = await tables(world, service)
        assert {name for name, rows in everything.items() if rows} >= {"outbox", "reports", "idempotency"}
        readable = repr(everything)
        for value in ("MARKER", "1987-06-05", "19870605", "55512", '"F"', "family"):
            assert value not in readable.replace("family-ngo", "")
