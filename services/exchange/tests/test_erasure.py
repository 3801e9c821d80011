"""Erasure: nothing of the person is readable, and everybody who ever had something is told, once."""

import json
from uuid import UUID

import pytest

from homeward.common.contracts import (
    CaseOpened,
    PersonRegistered,
    ReleaseRetracted,
    ReportReceived,
    StatusAsserted,
    SubjectErased,
)
from homeward.common.contracts.verification import TraffickingStatus
from homeward.common.ids import new_id

from .scene import (
    BASIC,
    BODY,
    ERASED,
    NGO,
    POLICE,
    RETRACTED,
    TOMBSTONE,
    F,
    Scene,
    consent,
    of_type,
    report,
    reports_in,
    shown,
)

OF_REPORTER = (F.REPORTER_IDENTITY, F.REPORTER_CONTACT)


async def destroy(scene: Scene, person_id: UUID, *subjects: UUID) -> None:
    """Have keys destroyed; exchange has yet to hear of it."""
    names = [str(person_id), *(str(subject) for subject in subjects)]
    await scene.world.keyring.erase(names, person_id=str(person_id), actor="client:operator-1")
    scene.service.parts.keyring.forget(names)


async def erase(scene: Scene, person_id: UUID, *subjects: UUID) -> None:
    await destroy(scene, person_id, *subjects)
    await scene.world.announce_erasures(scene.service)


async def test_everything_is_retracted_and_each_recipient_told_once(scene: Scene) -> None:
    about = report(consent(POLICE), consent(NGO))
    person_id = await scene.known(about)
    stays = await scene.known(report(consent(NGO)))
    before = {who["agency"]: await scene.read(who) for who in (POLICE, NGO)}
    await erase(scene, person_id, about.report_id)
    for who in (POLICE, NGO):
        told = (await scene.read(who))[len(before[who["agency"]]) :]
        subject = before[who["agency"]][0]["subject"]
        assert [item["type"] for item in told] == [RETRACTED, RETRACTED, ERASED]
        assert {item["subject"] for item in told} == {subject}
        assert told[-1]["data"] == {}
        assert all(item["data"]["retracted"] == "all" for item in told[:2])
    assert await scene.read(BODY) == []
    assert len(shown(await scene.read(NGO))) == 2, f"{stays} is somebody else"
    assert all(one.erased for one in await scene.world.said(scene.service, ReleaseRetracted))


async def test_who_lost_it_before_is_told_too(scene: Scene) -> None:
    about = report(consent(POLICE))
    person_id = await scene.known(about)
    await scene.withdraw(person_id)
    await erase(scene, person_id, about.report_id)
    items = await scene.read(POLICE)
    assert [item["type"] for item in items] == [TOMBSTONE] * 2 + [RETRACTED] * 2 + [ERASED]


async def test_it_is_told_once_whatever_comes_after(scene: Scene) -> None:
    about = report(consent(POLICE))
    person_id = await scene.known(about)
    await erase(scene, person_id, about.report_id)
    before = await scene.read(POLICE)
    await scene.deliver(
        SubjectErased(
            erasure_id=new_id(),
            subjects=(str(new_id()),),
            person_id=person_id,
            erased_at=scene.world.now,
        ),
        CaseOpened(case_id=new_id(), person_id=person_id),
    )
    await scene.staff("POST", f"/v1/partners/{POLICE['agency']}/suspend")
    await scene.staff("POST", f"/v1/partners/{POLICE['agency']}/resume")
    await scene.sweep()
    assert await scene.read(POLICE) == before


async def test_until_exchange_hears_of_it_nothing_of_the_content_opens(scene: Scene) -> None:
    about = report(consent(POLICE))
    person_id = await scene.known(about)
    await scene.read(POLICE)
    await destroy(scene, person_id, about.report_id)
    assert reports_in(await scene.read(POLICE)) == []
    assert "示例甲" not in json.dumps(await scene.read(POLICE), ensure_ascii=False)


@pytest.mark.parametrize("late", ["everything", "the link", "the status"])
async def test_what_arrives_after_its_erasure_is_shown_to_nobody(scene: Scene, late: str) -> None:
    about, person_id = report(consent(POLICE)), new_id()
    events = {
        "everything": about,
        "the link": PersonRegistered(person_id=person_id, report_id=about.report_id),
        "the status": StatusAsserted(
            person_id=person_id, assertion_id=new_id(), trafficking_status=TraffickingStatus.POSSIBLE
        ),
    }
    records = dict(zip(events, await scene.world.records(*events.values()), strict=True))
    names = list(events)
    before = names[: names.index(late)]
    for name in before:
        await scene.world.handle(scene.service, [records[name]])
    await erase(scene, person_id, about.report_id)
    for name in names:
        if name not in before:
            await scene.world.handle(scene.service, [records[name]])
    assert shown(await scene.read(POLICE)) == []
    assert (await scene.ask("POST", "/v1/consents", {})).status_code == 422
    body = {"person_id": str(person_id), "recipient": POLICE["agency"], "purpose": "search"}
    refused = await scene.ask("POST", "/v1/consents", body | {"classes": ["envelope"], "given_by": "self"})
    assert refused.status_code == 410


async def test_a_new_partner_is_given_nothing_of_who_was_erased(empty: Scene) -> None:
    about = report(consent(POLICE))
    person_id = await empty.known(about)
    await erase(empty, person_id, about.report_id)
    await empty.register(POLICE)
    await empty.sweep()
    assert await empty.read(POLICE) == []


async def test_a_person_merged_into_the_erased_one_goes_with_it(scene: Scene) -> None:
    about = report(consent(POLICE))
    merged = await scene.known(about)
    await erase(scene, new_id(), merged)
    assert shown(await scene.read(POLICE)) == []
    assert len(of_type(await scene.read(POLICE), ERASED)) == 1


async def test_a_report_that_cannot_be_opened_any_more_is_not_shown_closed_either(scene: Scene) -> None:
    """Whether it speaks of a child, say, cannot be told; and exchange has yet to hear of its erasure."""
    person_id = await scene.known(report(consent(NGO)))
    await scene.grant(person_id, NGO, *BASIC)
    late = report()
    records = await scene.world.records(late)
    await destroy(scene, new_id(), late.report_id)
    await scene.world.handle(scene.service, records)
    await scene.deliver(PersonRegistered(person_id=person_id, report_id=late.report_id))
    assert len(reports_in(await scene.read(NGO))) == 1


async def two_reports_of_one_reporter(scene: Scene) -> tuple[UUID, ReportReceived, ReportReceived]:
    reporter = new_id()
    trusted = consent(NGO, *BASIC, *OF_REPORTER)
    goes, stays = report(trusted, reporter_id=reporter), report(trusted, reporter_id=reporter)
    return reporter, goes, stays


async def test_a_reporter_is_erased_from_what_is_known_of_others(scene: Scene) -> None:
    reporter, goes, stays = await two_reports_of_one_reporter(scene)
    person_id = await scene.known(goes)
    await scene.known(stays)
    before = await scene.read(NGO)
    await erase(scene, person_id, goes.report_id, reporter)
    after = await scene.read(NGO)
    told = after[len(before) :]
    [kept] = reports_in(after)
    assert set(kept["data"]["classes"]) == {"envelope", "location_coarse", "person_identity"}
    [narrowed] = [item for item in told if item["data"].get("retracted") == sorted(OF_REPORTER)]
    assert narrowed["data"]["release"] == kept["id"]
    assert len(of_type(told, ERASED)) == 1
    assert "示例乙" not in json.dumps(after, ensure_ascii=False)
    assert "5555" not in json.dumps(after, ensure_ascii=False)


async def test_until_exchange_hears_of_it_only_the_reporter_is_missing(scene: Scene) -> None:
    """A tombstone now and a narrowing later would take the rest from who reads in between."""
    reporter, goes, stays = await two_reports_of_one_reporter(scene)
    person_id = await scene.known(goes)
    await scene.known(stays)
    await destroy(scene, person_id, goes.report_id, reporter)
    [kept] = reports_in(await scene.read(NGO))
    assert set(kept["data"]["classes"]) == {"envelope", "location_coarse", "person_identity"}


async def test_a_report_that_arrives_after_its_reporters_erasure_still_stands(scene: Scene) -> None:
    reporter, goes, stays = await two_reports_of_one_reporter(scene)
    person_id = await scene.known(goes)
    records = await scene.world.records(stays)
    await erase(scene, person_id, goes.report_id, reporter)
    await scene.world.handle(scene.service, records)
    await scene.deliver(PersonRegistered(person_id=new_id(), report_id=stays.report_id))
    [kept] = reports_in(await scene.read(NGO))
    assert set(kept["data"]["classes"]) == {"envelope", "location_coarse", "person_identity"}


async def test_a_report_erased_by_itself_is_retracted(scene: Scene) -> None:
    """One that was linked to an erased person too late goes after it, by an erasure of its own."""
    about = report(consent(POLICE))
    await scene.known(about)
    await erase(scene, new_id(), about.report_id)
    items = await scene.read(POLICE)
    assert reports_in(items) == []
    assert len(of_type(items, RETRACTED)) >= 1
