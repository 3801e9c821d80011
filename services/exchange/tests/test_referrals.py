"""A referral opens exactly the classes it names, to exactly whom it was made, until it is closed."""

from typing import Any
from uuid import UUID

import pytest

from homeward.common.contracts import (
    Event,
    ReferralAccepted,
    ReferralCompleted,
    ReferralOpened,
    ReferralRejected,
    ReferralRevoked,
    StatusAsserted,
)
from homeward.common.contracts.referral import Service as Asked
from homeward.common.contracts.verification import TraffickingStatus
from homeward.common.ids import new_id

from .scene import BODY, NGO, POLICE, RETRACTED, F, Profile, Scene, classes, consent, of_type, report, shown

OPENED = ("referral.opened", classes(F.ENVELOPE, F.REFERRAL))


class Referral:
    """One referral, as the service referral tells of it."""

    def __init__(self, person_id: UUID, to: Profile) -> None:
        self._ids: dict[str, Any] = {
            "case_id": new_id(),
            "person_id": person_id,
            "referral_id": new_id(),
            "receiving_agency": to["agency"],
        }

    def opened(self, *named: F) -> ReferralOpened:
        return ReferralOpened(**self._ids, classes=named, services=(Asked.SHELTER,))

    def moved(self, kind: type[Event], **said: Any) -> Event:
        return kind(**self._ids, **said)


async def test_the_named_classes_and_no_others_are_seen_by_the_receiver(scene: Scene) -> None:
    person_id = await scene.known(report())
    await scene.deliver(
        StatusAsserted(
            person_id=person_id, assertion_id=new_id(), trafficking_status=TraffickingStatus.ACTUAL
        ),
        Referral(person_id, NGO).opened(F.ENVELOPE, F.PERSON_IDENTITY, F.LOCATION_PRECISE),
    )
    assert shown(await scene.read(NGO)) == [
        ("report.received", classes(F.ENVELOPE, F.PERSON_IDENTITY, F.LOCATION_PRECISE)),
        ("person.registered", classes(F.ENVELOPE)),
        ("status.asserted", classes(F.ENVELOPE)),
        OPENED,
    ]
    assert await scene.read(POLICE) == []
    assert await scene.read(BODY) == []


async def test_it_opens_nothing_beyond_the_receivers_clearance(scene: Scene) -> None:
    person_id = await scene.known(report())
    await scene.deliver(Referral(person_id, BODY).opened(*F))
    [(_, seen)] = [(kind, seen) for kind, seen in shown(await scene.read(BODY)) if kind == "report.received"]
    assert seen <= set(BODY["clearance"])
    assert not seen & {"reporter_identity", "reporter_contact", "location_precise"}


async def test_who_has_a_consent_does_not_see_another_organisations_referral(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE, *F, given_by="self")))
    await scene.deliver(Referral(person_id, NGO).opened(F.ENVELOPE))
    assert not any("referral" in kind for kind, _ in shown(await scene.read(POLICE)))


@pytest.mark.parametrize("ending", [ReferralRevoked, ReferralRejected])
async def test_what_it_disclosed_is_retracted_when_it_ends(scene: Scene, ending: type[Event]) -> None:
    person_id = await scene.known(report())
    referral = Referral(person_id, NGO)
    await scene.deliver(referral.opened(F.ENVELOPE, F.PERSON_IDENTITY))
    before = await scene.read(NGO)
    await scene.deliver(referral.moved(ending))
    after = await scene.read(NGO)
    # It learns of the end itself, and keeps knowing that it was asked.
    assert [kind for kind, _ in shown(after)] == ["referral.opened", ending.TYPE[9:-3]]
    assert len(of_type(after[len(before) :], RETRACTED)) == 2


async def test_what_it_disclosed_stays_while_the_receiver_works_on_it(scene: Scene) -> None:
    person_id = await scene.known(report())
    referral = Referral(person_id, NGO)
    await scene.deliver(referral.opened(F.ENVELOPE, F.PERSON_IDENTITY))
    await scene.deliver(referral.moved(ReferralAccepted))
    await scene.deliver(referral.moved(ReferralCompleted, outcome="successful"))
    assert len(shown(await scene.read(NGO))) == 5


async def test_one_that_ended_does_not_close_another(scene: Scene) -> None:
    person_id = await scene.known(report())
    ends, stays = Referral(person_id, NGO), Referral(person_id, NGO)
    await scene.deliver(ends.opened(F.ENVELOPE, F.HEALTH, F.NARRATIVE), stays.opened(F.ENVELOPE, F.NARRATIVE))
    await scene.deliver(ends.moved(ReferralRevoked))
    [seen] = [seen for kind, seen in shown(await scene.read(NGO)) if kind == "report.received"]
    assert seen == classes(F.ENVELOPE, F.NARRATIVE)


async def test_in_one_batch_it_ends_as_it_ended(scene: Scene) -> None:
    person_id = await scene.known(report())
    referral = Referral(person_id, NGO)
    await scene.deliver(
        referral.opened(F.ENVELOPE, F.PERSON_IDENTITY),
        referral.moved(ReferralAccepted),
        referral.moved(ReferralRevoked),
    )
    assert "report.received" not in dict(shown(await scene.read(NGO)))


async def test_once_revoked_it_does_not_open_whatever_comes_late(scene: Scene) -> None:
    """A record that was set aside and retried comes after those behind it."""
    person_id = await scene.known(report())
    referral = Referral(person_id, NGO)
    await scene.deliver(referral.moved(ReferralRevoked))
    await scene.deliver(referral.opened(F.ENVELOPE, F.PERSON_IDENTITY))
    await scene.deliver(referral.moved(ReferralAccepted))
    assert "report.received" not in dict(shown(await scene.read(NGO)))


async def test_accepted_before_it_was_opened_it_opens_what_it_names(scene: Scene) -> None:
    person_id = await scene.known(report())
    referral = Referral(person_id, NGO)
    await scene.deliver(referral.moved(ReferralAccepted))
    await scene.deliver(referral.opened(F.ENVELOPE, F.PERSON_IDENTITY))
    assert dict(shown(await scene.read(NGO)))["report.received"] == classes(F.ENVELOPE, F.PERSON_IDENTITY)


async def test_a_hold_closes_it(scene: Scene) -> None:
    person_id = await scene.known(report())
    await scene.deliver(Referral(person_id, NGO).opened(F.ENVELOPE, F.PERSON_IDENTITY))
    await scene.restrict("/v1/holds", person_id, NGO)
    assert shown(await scene.read(NGO)) == []


async def test_its_id_is_one_the_receiver_can_answer_by(scene: Scene) -> None:
    person_id = await scene.known(report())
    opened = Referral(person_id, NGO).opened(F.ENVELOPE)
    await scene.deliver(opened)
    [told] = of_type(await scene.read(NGO), ReferralOpened.TYPE)
    envelope = told["data"]["classes"]["envelope"]
    assert envelope["referral_id"] == str(opened.referral_id)
    assert envelope["case_id"] != str(opened.case_id)
    assert envelope["person_id"] == told["subject"] != str(person_id)
