"""Revocation that works: the next read obeys, a retraction follows, and nothing of the content stays."""

import json
from uuid import UUID

import pytest

from homeward.common.contracts import (
    CaseOpened,
    ConsentGranted,
    ConsentWithdrawn,
    HoldLifted,
    HoldPlaced,
    ObjectionRaised,
    ObjectionWithdrawn,
    ReleaseDecided,
    ReleaseRetracted,
    StatusAsserted,
)
from homeward.common.contracts.verification import TraffickingStatus
from homeward.common.ids import new_id

from .scene import (
    BASIC,
    BODY,
    NGO,
    POLICE,
    RETRACTED,
    TOMBSTONE,
    F,
    Item,
    Scene,
    classes,
    consent,
    of_type,
    report,
    reports_in,
    shown,
)

SECRETS = ("示例甲", "示例乙", "5555", "Compound", "Bangkok")


def holds_no_content(items: list[Item]) -> bool:
    return not any(secret in json.dumps(items, ensure_ascii=False) for secret in SECRETS)


async def test_a_withdrawn_consent_leaves_tombstones_and_retractions(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE)))
    before = await scene.read(POLICE)
    assert not holds_no_content(before)
    await scene.withdraw(person_id)
    after = await scene.read(POLICE)
    assert [item["type"] for item in after] == [TOMBSTONE] * 2 + [RETRACTED] * 2
    assert holds_no_content(after)
    released = {item["sequence"]: item["id"] for item in before}
    for item in after[:2]:
        assert item["data"] == {"release": released[item["sequence"]]} == {"release": item["id"]}
    for item in after[2:]:
        place = item["data"]["release_sequence"]
        assert item["data"] == {"release": released[place], "release_sequence": place, "retracted": "all"}
    assert len({item["id"] for item in after}) == 4
    assert {item["subject"] for item in after} == {before[0]["subject"]}


async def test_a_release_is_retracted_whether_it_was_read_or_not(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE)))
    await scene.withdraw(person_id)
    assert [item["type"] for item in await scene.read(POLICE)] == [TOMBSTONE] * 2 + [RETRACTED] * 2


async def test_withdrawing_from_one_partner_leaves_the_others(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE), consent(NGO)))
    answer = await scene.withdraw(person_id, recipient=POLICE["agency"])
    assert [one["recipient"] for one in answer["consents"]] == [POLICE["agency"]]
    assert reports_in(await scene.read(POLICE)) == []
    assert len(reports_in(await scene.read(NGO))) == 1
    [said] = await scene.world.said(scene.service, ConsentWithdrawn)
    assert (said.person_id, said.recipient) == (person_id, POLICE["agency"])


async def test_withdrawing_one_consent_narrows_to_the_others(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO, *BASIC)))
    more = await scene.grant(person_id, NGO, F.ENVELOPE, F.NARRATIVE, F.LOCATION_PRECISE)
    wide = classes(F.ENVELOPE, F.LOCATION_COARSE, F.PERSON_IDENTITY, F.NARRATIVE, F.LOCATION_PRECISE)
    before = await scene.read(NGO)
    [item] = reports_in(before)
    assert frozenset(item["data"]["classes"]) == wide
    await scene.withdraw(person_id, consent_id=more["consent_id"])
    after = await scene.read(NGO)
    [told] = of_type(after[len(before) :], RETRACTED)
    assert told["data"]["retracted"] == ["location_precise", "narrative"]
    assert told["data"]["release"] == item["id"]
    [kept] = reports_in(after)
    assert (kept["id"], kept["sequence"]) == (item["id"], item["sequence"])
    assert frozenset(kept["data"]["classes"]) == wide - {"narrative", "location_precise"}
    assert {"narrative", "location_precise"} <= set(kept["data"]["withheld"])
    assert "Bangkok" not in json.dumps(after, ensure_ascii=False)


async def test_widening_is_a_new_generation_and_empties_the_old_one(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    [old] = reports_in(await scene.read(NGO))
    await scene.grant(person_id, NGO, F.NARRATIVE)
    items = await scene.read(NGO)
    [new] = reports_in(items)
    assert new["data"]["supersedes"] == old["id"] != new["id"]
    assert (old["data"]["generation"], new["data"]["generation"]) == (1, 2)
    assert "narrative" in new["data"]["classes"]
    [emptied] = [item for item in items if item["sequence"] == old["sequence"]]
    assert (emptied["type"], emptied["data"]) == (TOMBSTONE, {"release": old["id"]})
    assert of_type(items, RETRACTED) == []


async def test_what_superseded_can_be_narrowed_and_widened_again(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    for _ in range(2):
        more = await scene.grant(person_id, NGO, F.NARRATIVE)
        await scene.withdraw(person_id, consent_id=more["consent_id"])
    items = await scene.read(NGO)
    [stands] = reports_in(items)
    assert stands["data"]["generation"] == 3
    assert "narrative" not in stands["data"]["classes"]
    narrowed = [item["data"]["retracted"] for item in of_type(items, RETRACTED)]
    assert narrowed == [["narrative"], "all", ["narrative"]]
    assert len(of_type(items, TOMBSTONE)) == 2
    await scene.withdraw(person_id)
    assert shown(await scene.read(NGO)) == []


def held(items: list[Item], told: list[Item]) -> set[str]:
    """The reports that a partner holds who read ``items`` and later was ``told`` more."""
    releases = {item["id"] for item in reports_in([*items, *told])}
    gone = {item["data"]["supersedes"] for item in reports_in(told)}
    return releases - gone - {item["data"]["release"] for item in of_type(told, RETRACTED)}


async def test_who_missed_a_generation_is_told_of_the_one_it_holds(scene: Scene) -> None:
    """What superseded it has become a tombstone meanwhile, and does not say so any more."""
    person_id = await scene.known(report(consent(NGO)))
    before = await scene.read(NGO)
    cursor = (await scene.pull(NGO)).json()["cursor"]
    await scene.grant(person_id, NGO, F.NARRATIVE)
    await scene.grant(person_id, NGO, F.EVIDENCE)
    [newest] = reports_in(await scene.read(NGO, cursor))
    assert held(before, await scene.read(NGO, cursor)) == {newest["id"]}
    await scene.withdraw(person_id)
    assert held(before, await scene.read(NGO, cursor)) == set()


async def test_a_consent_given_again_releases_anew(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE)))
    await scene.withdraw(person_id)
    await scene.grant(person_id, POLICE, *BASIC)
    items = await scene.read(POLICE)
    [again] = reports_in(items)
    assert (again["data"]["generation"], again["data"]["supersedes"]) == (2, None)
    assert again["sequence"] > max(item["sequence"] for item in of_type(items, RETRACTED))


@pytest.mark.parametrize(
    ("on", "off", "raised", "ended"),
    [
        ("/v1/holds", "/v1/holds/lift", HoldPlaced, HoldLifted),
        ("/v1/objections", "/v1/objections/withdraw", ObjectionRaised, ObjectionWithdrawn),
    ],
)
async def test_a_hold_or_objection_closes_everything_to_its_recipient(
    scene: Scene, on: str, off: str, raised: type[HoldPlaced], ended: type[HoldLifted]
) -> None:
    person_id = await scene.known(report(consent(POLICE), consent(NGO)))
    assert await scene.restrict(on, person_id, POLICE) == {"person_id": str(person_id), "changed": True}
    assert await scene.restrict(on, person_id, POLICE) == {"person_id": str(person_id), "changed": False}
    assert shown(await scene.read(POLICE)) == []
    assert len(of_type(await scene.read(POLICE), RETRACTED)) == 2
    assert len(shown(await scene.read(NGO))) == 2
    await scene.grant(person_id, POLICE, *BASIC)
    await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id, case_status="Active"))
    assert shown(await scene.read(POLICE)) == []
    assert (await scene.restrict(off, person_id, POLICE))["changed"]
    assert not (await scene.restrict(off, person_id, POLICE))["changed"]
    assert len(shown(await scene.read(POLICE))) == 3
    assert len(await scene.world.said(scene.service, raised)) == 1
    assert len(await scene.world.said(scene.service, ended)) == 1


async def test_a_hold_placed_before_anything_is_known_is_obeyed(scene: Scene) -> None:
    person_id = new_id()
    await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id))
    await scene.restrict("/v1/holds", person_id, POLICE)
    await scene.known(report(consent(POLICE)))
    assert len(shown(await scene.read(POLICE))) == 2
    await scene.grant(person_id, POLICE, *BASIC)
    assert len(shown(await scene.read(POLICE))) == 2


async def decisions(scene: Scene, event_type: str) -> list[ReleaseDecided]:
    ids = await scene.world.execute(
        scene.service, "SELECT event_id FROM events WHERE type = :type", type=event_type
    )
    told = await scene.world.said(scene.service, ReleaseDecided)
    return [one for one in told if one.decided_event_id in {row.event_id for row in ids}]


async def test_audit_hears_of_what_is_released_and_of_what_is_withheld(scene: Scene) -> None:
    await scene.known(report(consent(POLICE)))
    [told] = await decisions(scene, "homeward.report.received.v1")
    by_agency = {one.agency: one for one in told.decisions}
    assert set(by_agency) == {POLICE["agency"], BODY["agency"], NGO["agency"]}
    police = by_agency[POLICE["agency"]]
    [item] = reports_in(await scene.read(POLICE))
    assert (str(police.release_id), police.seq) == (item["id"], int(item["sequence"]))
    assert set(police.classes) == set(BASIC) - {F.STATUS}
    assert "consent.police.own-citizens" in police.policies
    nobody = by_agency[BODY["agency"]]
    assert (nobody.release_id, nobody.classes) == (None, ())
    assert F.ENVELOPE in nobody.withheld
    kept = await scene.world.execute(scene.service, "SELECT digest FROM snapshots")
    assert {one.snapshot for one in told.decisions} <= {row.digest for row in kept}


async def test_audit_hears_of_each_retraction(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE)))
    before = await scene.read(POLICE)
    await scene.withdraw(person_id)
    items = of_type(await scene.read(POLICE), RETRACTED)
    told = await scene.world.said(scene.service, ReleaseRetracted)
    assert [(str(one.release_id), one.retracted_seq) for one in told] == [
        (item["id"], int(item["sequence"])) for item in before
    ]
    assert [one.seq for one in told] == [int(item["sequence"]) for item in items]
    assert all(one.classes is None and not one.erased for one in told)
    last = (await decisions(scene, "homeward.report.received.v1"))[-1]
    assert [(one.agency, one.classes, one.release_id) for one in last.decisions] == [
        (POLICE["agency"], (), None)
    ]


async def test_the_same_for_another_reason_is_recorded_with_the_new_reason(scene: Scene) -> None:
    """A decision is taken again from its record: reasons, snapshot and digest must belong together."""
    person_id = await scene.known(report(consent(NGO, given_by="none_unreachable")))
    await scene.grant(person_id, NGO, *BASIC, given_by="guardian")
    await scene.withdraw(person_id, consent_id=await first_consent(scene, person_id))
    rows = await scene.world.execute(
        scene.service,
        "SELECT f.policies, f.case_revision, p.revision, s.snapshot FROM feed f "
        "JOIN snapshots s ON s.digest = f.snapshot JOIN persons p USING (person_id) WHERE f.state = 'live'",
    )
    assert len(rows) == 2
    for row in rows:
        assert row.case_revision == row.revision
        assert row.snapshot["contexts"]["envelope"][0]["consent"] == "guardian"
    told = (await decisions(scene, "homeward.report.received.v1"))[-1]
    [again] = told.decisions
    assert (again.agency, again.generation) == (NGO["agency"], 1)
    assert again.release_id is not None


async def first_consent(scene: Scene, person_id: UUID) -> str:
    found = await scene.staff("GET", f"/v1/consents?person_id={person_id}")
    first: str = next(one["consent_id"] for one in found["consents"] if one["given_by"] != "guardian")
    return first


async def test_statuses_are_opened_by_any_familys_consent_and_closed_with_the_last(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE)), report(consent(NGO)))
    await scene.deliver(
        StatusAsserted(
            person_id=person_id,
            assertion_id=new_id(),
            trafficking_status=TraffickingStatus.ACTUAL,
            reason="Assessed on arrival.",
        )
    )
    for who in (POLICE, NGO):
        [told] = of_type(await scene.read(who), StatusAsserted.TYPE)
        assert set(told["data"]["classes"]) == {"envelope", "status"}
        assert told["data"]["withheld"] == ["assessment"]
    await scene.withdraw(person_id, recipient=POLICE["agency"])
    assert of_type(await scene.read(POLICE), StatusAsserted.TYPE) == []
    assert len(of_type(await scene.read(NGO), StatusAsserted.TYPE)) == 1


async def test_consents_registered_say_so(scene: Scene) -> None:
    person_id = await scene.known(report())
    answer = await scene.grant(person_id, POLICE, *BASIC)
    [said] = await scene.world.said(scene.service, ConsentGranted)
    assert (str(said.consent_id), said.person_id) == (answer["consent_id"], person_id)
    assert set(said.classes) == set(BASIC)


async def test_a_read_never_trusts_a_decision_that_is_older_than_the_facts(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    await scene.world.execute(scene.service, "UPDATE consents SET withdrawn_at = now()")
    await scene.world.execute(
        scene.service, "UPDATE persons SET revision = revision + 1 WHERE person_id = :id", id=person_id
    )
    assert [item["type"] for item in await scene.read(NGO)] == [TOMBSTONE] * 2 + [RETRACTED] * 2
