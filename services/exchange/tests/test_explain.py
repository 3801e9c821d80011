"""Why a partner sees what it sees: for what is released, and for what is not."""

from typing import Any
from uuid import UUID

from homeward.common.contracts import PersonRegistered
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id

from .scene import BODY, NGO, POLICE, F, Scene, consent, report


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
