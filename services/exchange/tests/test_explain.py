"""Why a partner sees what it sees: for what is released, and for what is not."""

from typing import Any
from uuid import UUID

from homeward.common.contracts import PersonRegistered
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id

from .scene import BODY, NGO, POLICE, F, Profile, Scene, consent, report, reports_in


async def received(scene: Scene, *consents: Any, **said: Any) -> tuple[UUID, UUID]:
    """A report whose person is known: its event and its person."""
    about, person_id = report(*consents, **said), new_id()
    records = await scene.deliver(about, PersonRegistered(person_id=person_id, report_id=about.report_id))
    return Envelope.of(records[0]).id, person_id


def by_class(told: Any) -> dict[str, tuple[bool, list[str]]]:
    return {one["field_class"]: (one["allowed"], one["policies"]) for one in told["classes"]}


async def test_each_class_has_its_reason(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO, *F))
    told = await scene.explain(event_id, NGO)
    assert told["decided"]
    classes = by_class(told)
    assert classes["person_identity"] == (True, ["consent.ngo.assistance"])
    assert classes["evidence"] == (True, ["consent.ngo.assistance"])
    assert classes["location_precise"] == (False, ["safeguard.sensitive"])
    [release] = told["releases"]
    assert release["state"] == "live"
    assert set(release["classes"]) == {name for name, (allowed, _) in classes.items() if allowed}
    assert set(told["policy_reasons"]) == {"consent.ngo.assistance", "safeguard.sensitive"}
    assert "PIPL" in told["policy_reasons"]["safeguard.sensitive"]


async def test_that_nothing_is_seen_is_explained_too(scene: Scene) -> None:
    event_id, person_id = await received(scene, consent(NGO))
    for who in (POLICE, BODY):
        told = await scene.explain(event_id, who)
        assert (told["decided"], told["releases"]) == (True, [])
        assert all(classes == (False, []) for classes in [by_class(told)["narrative"]])
    await scene.restrict("/v1/holds", person_id, POLICE)
    told = await scene.explain(event_id, POLICE)
    assert by_class(told)["envelope"] == (False, ["safeguard.hold"])
    assert "protection hold" in told["policy_reasons"]["safeguard.hold"]


async def test_what_was_withdrawn_says_why_it_is_closed_now(scene: Scene) -> None:
    event_id, person_id = await received(scene, consent(NGO))
    await scene.restrict("/v1/objections", person_id, NGO)
    told = await scene.explain(event_id, NGO)
    assert [(one["kind"], one["state"]) for one in told["releases"]] == [
        ("release", "withdrawn"),
        ("retraction", "retraction"),
    ]
    assert "safeguard.objection" in told["releases"][0]["policies"]


async def test_an_event_whose_person_is_not_known_is_undecided(scene: Scene) -> None:
    records = await scene.deliver(report(consent(NGO)))
    told = await scene.explain(Envelope.of(records[0]).id, NGO)
    assert (told["decided"], told["releases"], told["classes"]) == (False, [], [])


async def test_a_child_is_explained_by_the_childs_safeguard(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO, *F, given_by="self"), age=16)
    classes = by_class(await scene.explain(event_id, NGO))
    for closed in (F.PERSON_IDENTITY, F.LOCATION_PRECISE, F.NARRATIVE):
        assert classes[closed] == (False, ["safeguard.child"])
    assert classes["envelope"] == (True, ["consent.ngo.assistance"])


async def test_who_may_be_a_child_by_an_age_nobody_could_read_is_one(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO), age=None, unreadable={"age": "about 16"})
    assert by_class(await scene.explain(event_id, NGO))["person_identity"] == (False, ["safeguard.child"])


async def test_what_is_not_there_is_not_found(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO))
    for path in (f"/v1/decisions/{new_id()}?agency=border-ngo", f"/v1/decisions/{event_id}?agency=nobody"):
        assert (await scene.ask("GET", path)).status_code == 404
    assert (await scene.ask("GET", f"/v1/decisions/{event_id}?agency=%00")).status_code == 422


async def own(scene: Scene, who: Profile, event_id: object, **query: str) -> Any:
    return await scene.partner(who, "GET", f"/v1/decisions/{event_id}", params=query)


async def test_staff_may_name_a_release_as_the_partner_knows_it(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO))
    [item] = reports_in(await scene.read(NGO))
    told = await scene.explain(item["id"], NGO)
    assert {**told, "event_id": str(event_id)} == await scene.explain(event_id, NGO)


async def test_a_partner_is_told_of_its_own_by_the_id_it_was_given(scene: Scene) -> None:
    await received(scene, consent(NGO, *F), consent(POLICE))
    [item] = reports_in(await scene.read(NGO))
    response = await own(scene, NGO, item["id"])
    assert response.status_code == 200
    told = response.json()
    assert (told["event_id"], told["agency"]) == (item["id"], NGO["agency"])
    assert told == (await own(scene, NGO, item["id"], agency=NGO["agency"])).json()
    classes = by_class(told)
    assert {name for name, (allowed, _) in classes.items() if allowed} == set(item["data"]["classes"])
    assert {name for name, (allowed, _) in classes.items() if not allowed} == set(item["data"]["withheld"])
    assert classes["person_identity"] == (True, ["consent.ngo.assistance"])
    assert "accredited NGO" in told["policy_reasons"]["consent.ngo.assistance"]


async def test_a_partner_does_not_learn_about_the_case_from_why_something_is_withheld(scene: Scene) -> None:
    """That the person is a child, or that others told more of it."""
    await received(scene, consent(NGO, *F, given_by="self"), age=16)
    [item] = reports_in(await scene.read(NGO))
    response = await own(scene, NGO, item["id"])
    assert by_class(response.json())["narrative"] == (False, [])
    assert "child" not in response.text
    assert "snapshot" in response.json()["releases"][0]
    for hidden in ("policies", "snapshot", "case_revision"):
        assert {release[hidden] for release in response.json()["releases"]} == {None}


async def test_a_partner_is_told_that_its_own_agreement_withholds_a_class(empty: Scene) -> None:
    await empty.register({**NGO, "clearance": [F.ENVELOPE]})
    await received(empty, consent(NGO, *F))
    [item] = reports_in(await empty.read(NGO))
    told = (await own(empty, NGO, item["id"])).json()
    assert by_class(told)["person_identity"] == (False, ["safeguard.clearance"])
    assert "agreement" in told["policy_reasons"]["safeguard.clearance"]


async def test_what_is_another_partners_or_hidden_is_not_there(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO))
    [item] = reports_in(await scene.read(NGO))
    asked = [
        await own(scene, NGO, event_id),
        await own(scene, NGO, new_id()),
        await own(scene, POLICE, event_id),
        await own(scene, POLICE, item["id"]),
        await own(scene, POLICE, item["id"], agency=NGO["agency"]),
        await own(scene, POLICE, item["id"], agency="nobody"),
    ]
    assert {(response.status_code, response.text) for response in asked} == {(404, asked[0].text)}


async def test_of_what_was_withdrawn_a_partner_is_told_no_class_any_more(scene: Scene) -> None:
    _, person_id = await received(scene, consent(NGO))
    [item] = reports_in(await scene.read(NGO))
    await scene.restrict("/v1/holds", person_id, NGO)
    response = await own(scene, NGO, item["id"])
    told = response.json()
    assert [one["state"] for one in told["releases"]] == ["withdrawn", "retraction"]
    assert (told["classes"], told["policy_reasons"]) == ([], {})
    assert told["releases"][0]["withheld"] == []
    assert "safeguard" not in response.text


async def test_a_suspended_partner_is_told_nothing(scene: Scene) -> None:
    await received(scene, consent(NGO))
    [item] = reports_in(await scene.read(NGO))
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    assert (await own(scene, NGO, item["id"])).status_code == 403
    assert (await own(scene, {**NGO, "agency": "stranger"}, item["id"])).status_code == 403


async def test_a_policy_that_is_no_more_still_says_why(scene: Scene) -> None:
    event_id, _ = await received(scene, consent(NGO))
    texts = {"10.cedar": '@id("nothing") @reason("Nobody.") forbid (principal, action, resource);'}
    await scene.staff("POST", "/v1/policies", {"texts": texts, "reason": "r"})
    told = await scene.explain(event_id, NGO)
    assert "consent.ngo.assistance" in told["releases"][0]["policies"]
    assert "accredited NGO" in told["policy_reasons"]["consent.ngo.assistance"]
    assert told["policy_reasons"]["nothing"] == "Nobody."
