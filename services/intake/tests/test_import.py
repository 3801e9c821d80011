"""Importing lists: every row has one outcome, and no row is taken twice."""

import asyncio

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.world import World
from homeward.common.contracts import ReportReceived, StatedConsent
from homeward.common.parts import Service

from .conftest import CONSENT, codes, counts, send, tables

ROWS = [
    {"full_name": "王星", "reporter_reference": "A-1", "age": "25"},
    {"full_name": "李娜", "reporter_reference": "A-2", "age": "old"},
    {"full_name": "???", "reporter_reference": "A-3"},
    {"full_name": "No Reference", "narrative": "one, two\nthree"},
]


async def test_a_list_is_accepted_row_by_row(world: World, service: Service, http: httpx.AsyncClient) -> None:
    answer = await send(http, ROWS)
    assert answer.status_code == 201
    assert counts(answer) == (4, 3, 0, 1)
    assert codes(answer) == [(2, "age", "unreadable_age"), (3, "full_name", "unusable_name")]
    assert [r["row"] for r in answer.json()["results"]] == [1, 2, 3, 4]
    events = await world.said(service, ReportReceived)
    assert [e.full_name for e in events] == ["王星", "李娜", "No Reference"]
    assert {e.channel for e in events} == {"list"}
    assert events[2].narrative == "one, two\nthree"


async def test_the_same_list_again_is_already_imported_with_the_same_receipts(
    http: httpx.AsyncClient,
) -> None:
    first = await send(http, ROWS)
    again = await send(http, ROWS)
    assert counts(again) == (4, 0, 3, 1)
    assert [r.get("receipt") for r in again.json()["results"]] == [
        r.get("receipt") for r in first.json()["results"]
    ]
    assert codes(again) == [(3, "full_name", "unusable_name")], "rows already there are not remarked on"


async def test_the_same_reference_with_other_words_is_remarked_on_and_the_first_stands(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    await send(http, ROWS[:1])
    again = await send(http, [{**ROWS[0], "age": "26"}])
    assert counts(again) == (1, 0, 1, 0)
    assert codes(again) == [(1, "reporter_reference", "differs_from_first")]
    assert "another reference" in again.json()["errors"][0]["detail"]
    assert [e.age for e in await world.said(service, ReportReceived)] == [25]


async def test_the_same_reference_twice_in_one_file(http: httpx.AsyncClient) -> None:
    answer = await send(http, [ROWS[0], {**ROWS[0], "age": "26"}, ROWS[0]])
    assert counts(answer) == (3, 1, 2, 0)
    assert codes(answer) == [(2, "reporter_reference", "differs_from_first")]
    assert len({r["receipt"] for r in answer.json()["results"]}) == 1


async def test_another_organisation_has_references_of_its_own(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    await send(http, ROWS[:1])
    async with world.client(service, "reports:write", organisation="other-ngo") as other:
        assert counts(await send(other, ROWS[:1])) == (1, 1, 0, 0)


async def test_the_lists_name_is_for_rows_that_name_none(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    rows = [{"full_name": "A", "source_list": ""}, {"full_name": "B", "source_list": "own"}]
    await send(http, rows, list="January list")
    assert [e.source_list for e in await world.said(service, ReportReceived)] == ["January list", "own"]
    assert counts(await send(http, rows, list="February list")) == (2, 1, 1, 0), "another list's row"


async def test_stated_consents_hold_for_every_row(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    assert (await send(http, ROWS[:2], consents=[CONSENT])).status_code == 201
    stated = (StatedConsent.model_validate(CONSENT),)
    assert [e.consents for e in await world.said(service, ReportReceived)] == [stated, stated]


async def test_consents_that_are_not_exact_refuse_the_list(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    wrong: list[tuple[object, str]] = [
        ([{**CONSENT, "purpose": "x"}], "consents[0].purpose"),
        ([{**CONSENT, "expires_at": "2026-01-01T00:00:00"}], "consents[0].expires_at"),
        ({}, "consents"),
        ([CONSENT] * 101, "consents"),
    ]
    for consents, field in wrong:
        answer = await send(http, ROWS, consents=consents)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await world.said(service) == []


async def test_a_dry_run_answers_as_the_real_one_and_writes_nothing(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    before = await tables(world, service)
    dry = await send(http, [*ROWS, ROWS[0]], dry_run="true", headers={"Idempotency-Key": "k"})
    assert dry.status_code == 200
    assert await tables(world, service) == before
    real = await send(http, [*ROWS, ROWS[0]], headers={"Idempotency-Key": "k"})
    assert real.status_code == 201
    assert counts(real) == counts(dry) == (5, 3, 1, 1)
    assert codes(real) == codes(dry)
    assert dry.json()["results"] == [], "nothing was recorded, so there are no receipts"


async def test_the_same_key_gives_the_same_answer_whatever_the_boundary(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await send(http, ROWS, headers=headers)
    again = await send(http, ROWS, headers=headers)
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (again.status_code, again.json()) == (201, first.json())
    assert (await send(http, ROWS[:1], headers=headers)).json()["type"] == "/problems/idempotency-key-reused"


async def test_two_imports_of_one_list_at_once_accept_each_row_once(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    rows = [{"full_name": f"Person {i:c}", "reporter_reference": str(i)} for i in range(0x4E00, 0x4E00 + 150)]
    answers = await asyncio.gather(*(send(http, part) for part in (rows, rows[::-1], rows[50:], rows[:100])))
    assert sum(counts(a)[1] for a in answers) == 150
    assert sum(counts(a)[2] for a in answers) == 350
    references = [e.reporter_reference for e in await world.said(service, ReportReceived)]
    assert sorted(references, key=str) == sorted(row["reporter_reference"] for row in rows)


cell = st.sampled_from(["", " ", "王", "?", "A", "1", "\x00", "x" * 501, "１９９８-02-30"])
row = st.fixed_dictionaries({"full_name": cell, "reporter_reference": cell, "age": cell, "source_list": cell})


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, max_size=8), dry=st.booleans())
async def test_every_row_has_exactly_one_outcome(
    http: httpx.AsyncClient, rows: list[dict[str, str]], dry: bool
) -> None:
    answer = await send(http, rows, dry_run=str(dry).lower())
    total, accepted, already, rejected = counts(answer)
    told = [r for r in rows if any(c.strip() for c in r.values())]
    assert total == accepted + already + rejected == len(told)
    assert dry or len(answer.json()["results"]) == total
    rejections = {number for number, field, _ in codes(answer) if field == "full_name"}
    assert len(rejections) == rejected


REFUSED = [
    ("full_name\n王星\n".encode("gb18030"), "text/csv", "wrong-encoding", "Line 2 is not utf-8"),
    (b"name\nSomebody\n", "text/csv", "unknown-column", "column 1 is not known"),
    (b"", "text/csv", "no-full-name", "no column full_name"),
    (b'full_name\n"Somebody\n', "text/csv", "broken-csv", "starts in line 2"),
    (b"full_name\nSomebody\n", "text/csv; charset=ebcdic", "unknown-charset", "gb18030"),
]


async def test_a_list_that_cannot_be_read_is_refused_whole(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    for content, media_type, slug, said in REFUSED:
        answer = await send(http, content, media_type=media_type)
        assert answer.status_code == 422
        assert answer.json()["type"] == f"/problems/{slug}"
        assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("file", slug)]
        assert said in answer.json()["detail"]
        assert "Somebody" not in answer.text
    assert await world.said(service) == []


async def test_the_declared_charset_is_used(world: World, service: Service, http: httpx.AsyncClient) -> None:
    forms = ["charset=gb18030", 'charset="GB18030"', "charset=gbk; header=present"]
    for number, declared in enumerate(forms):
        rows = f"full_name,age\n王星,{number}\n".encode("gb18030")
        await send(http, rows, media_type=f"text/csv; {declared}")
    assert [e.full_name for e in await world.said(service, ReportReceived)] == ["王星"] * 3
