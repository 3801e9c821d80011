"""Exports are reads: by the same decisions as the feed, on record before they leave."""

import csv
import hashlib
import io
from base64 import b64encode
from typing import Any

import httpx

from homeward.common.contracts import EventsRead, ExportMade, ReadDenied, StatusAsserted
from homeward.common.contracts.verification import TraffickingStatus
from homeward.common.ids import new_id

from .scene import BODY, NGO, POLICE, F, Profile, Scene, consent, report
from .test_policy_releases import stricter


async def export(scene: Scene, who: Profile, made: str = "htcds", **query: Any) -> httpx.Response:
    await scene.pull({**who, "agency": "nobody"})  # exchange takes a look at how far it has got
    return await scene.partner(who, "GET", f"/v1/exports/{made}", params=query)


async def rows(scene: Scene, who: Profile, **query: Any) -> list[dict[str, str]]:
    response = await export(scene, who, **query)
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


async def names(scene: Scene, who: Profile) -> list[str]:
    return [row["prs_FirstName"] for row in await rows(scene, who)]


async def test_a_partner_exports_what_it_may_see_and_no_more(scene: Scene) -> None:
    await scene.known(report(consent(NGO, *F), consent(POLICE), full_name="示例甲"))
    await scene.known(report(consent(NGO, F.ENVELOPE), full_name="示例丙"))
    assert await names(scene, NGO) == ["示例甲", ""]
    assert await names(scene, POLICE) == ["示例甲"]
    assert await names(scene, BODY) == []
    text = (await export(scene, POLICE, "pfif")).text
    assert "示例甲" in text
    for hidden in ("Told of a job", "Made-up Compound", "示例乙", "5555"):
        assert hidden not in text


async def test_it_is_on_record_with_its_classes_and_digest(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO, *F)))
    status = StatusAsserted(
        person_id=person_id, assertion_id=new_id(), trafficking_status=TraffickingStatus.ACTUAL
    )
    await scene.deliver(status)
    response = await export(scene, NGO)
    digest = hashlib.sha256(response.content)
    assert response.headers["Content-Digest"] == f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert response.headers["Cache-Control"] == "no-store"
    [told] = await scene.world.said(scene.service, ExportMade)
    assert (told.agency, told.format, told.persons) == (NGO["agency"], "htcds", 1)
    assert told.digest == digest.hexdigest()
    assert set(told.classes) == {F.ENVELOPE, F.STATUS, F.PERSON_IDENTITY}
    # It is no page of the feed: where the partner has read to stays what it was.
    assert await scene.world.said(scene.service, EventsRead) == []
    await export(scene, NGO, "pfif")
    [_, told] = await scene.world.said(scene.service, ExportMade)
    assert F.NARRATIVE in told.classes
    assert F.EVIDENCE not in told.classes


async def test_an_export_of_nothing_is_not_recorded(scene: Scene) -> None:
    assert await rows(scene, NGO) == []
    assert await scene.world.said(scene.service, ExportMade) == []


async def test_what_was_taken_back_is_not_in_the_next_one(scene: Scene) -> None:
    held = await scene.known(report(consent(NGO), full_name="示例甲"))
    withdrawn = await scene.known(report(consent(NGO), full_name="示例丙"))
    await scene.known(report(consent(NGO), full_name="示例丁"))
    assert await names(scene, NGO) == ["示例甲", "示例丙", "示例丁"]
    await scene.restrict("/v1/holds", held, NGO)
    await scene.withdraw(withdrawn)
    assert await names(scene, NGO) == ["示例丁"]


async def test_an_export_under_new_policies_decides_again(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    body = {"texts": dict(stricter().texts), "reason": "r"}
    await scene.staff("POST", "/v1/policies", body)
    assert await rows(scene, NGO) == []


async def test_all_of_one_person_stands_together_and_the_link_goes_on(scene: Scene) -> None:
    people = [await scene.known(report(consent(NGO), full_name=f"示例{n}", sex=None)) for n in "甲丙丁"]
    status = [
        StatusAsserted(person_id=p, assertion_id=new_id(), trafficking_status=TraffickingStatus.ACTUAL)
        for p in people
    ]
    await scene.deliver(*status)
    found, path, pieces = [], "/v1/exports/htcds?limit=2", 0
    while path:
        response = await scene.partner(NGO, "GET", path)
        assert response.status_code == 200, response.text
        found += list(csv.DictReader(io.StringIO(response.text, newline="")))
        path, pieces = response.links.get("next", {}).get("url", ""), pieces + 1
    assert pieces == 2
    assert [(row["prs_FirstName"], row["vic_TraffickingStatus"]) for row in found] == [
        (f"示例{n}", "ActualVictimOfTrafficking") for n in "甲丙丁"
    ]


async def test_a_government_is_told_that_victims_are_not_to_be_punished(scene: Scene) -> None:
    await scene.known(report(consent(POLICE), consent(NGO)))
    response = await export(scene, POLICE, "pfif")
    assert "not to be punished" in response.headers["Homeward-Notice"]
    assert "not to be punished" in response.text
    assert "Homeward-Notice" not in (await export(scene, NGO, "pfif")).headers


async def test_only_what_is_there_can_be_asked_for(scene: Scene) -> None:
    assert (await export(scene, NGO, "ctdc")).status_code == 422
    assert (await export(scene, NGO, limit=501)).status_code == 422
    assert (await export(scene, NGO, cursor="x")).json()["type"] == "/problems/unknown-cursor"


async def test_a_suspended_partner_exports_nothing(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    assert (await export(scene, NGO)).status_code == 403
    assert await scene.world.said(scene.service, ExportMade) == []
    assert len(await scene.world.said(scene.service, ReadDenied)) == 1


async def test_a_cursor_is_good_for_one_partner(scene: Scene) -> None:
    await scene.known(report(consent(NGO), consent(POLICE)))
    link = (await export(scene, NGO, limit=1)).links["next"]["url"]
    assert (await scene.partner(POLICE, "GET", link)).json()["type"] == "/problems/unknown-cursor"
