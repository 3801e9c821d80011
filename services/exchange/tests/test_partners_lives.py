"""The life of a partner: it tries out with made-up people, goes live, loses its keys, leaves."""

from typing import Any

import httpx

from homeward.common import jose
from homeward.common.contracts import (
    CaseOpened,
    Event,
    PartnerAccessChanged,
    PartnerStageChanged,
    ReleaseDecided,
    SandboxFed,
)
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id
from homeward.exchange.restores import RESTORES

from .scene import (
    BODY,
    NGO,
    POLICE,
    RETRACTED,
    TOMBSTONE,
    Item,
    Profile,
    Scene,
    consent,
    of_type,
    report,
    reports_in,
    shown,
)

TRYING: Profile = {**NGO, "agency": "trying-ngo", "sandbox": True}
ALL = {"texts": {"10.cedar": '@id("all") @reason("r") permit (principal, action, resource);'}, "reason": "r"}


async def post(scene: Scene, who: Profile, what: str, body: Any = None) -> Any:
    return await scene.staff("POST", f"/v1/partners/{who['agency']}/{what}", body)


async def refused(scene: Scene, who: Profile, what: str, body: Any = None) -> tuple[int, str]:
    response = await scene.ask("POST", f"/v1/partners/{who['agency']}/{what}", body)
    return response.status_code, response.json()["type"]


async def try_out(scene: Scene, what: str, who: Profile = TRYING) -> httpx.Response:
    return await scene.partner(who, "POST", f"/v1/own/sandbox/{what}")


async def acknowledge(scene: Scene, who: Profile) -> list[Item]:
    items = await scene.read(who)
    if items:
        body = {"sequence": int(items[-1]["sequence"])}
        response = await scene.partner(who, "POST", "/v1/events/ack", json=body)
        assert response.status_code == 200, response.text
    return items


async def stages(scene: Scene) -> list[str]:
    return [one.stage for one in await scene.world.said(scene.service, PartnerStageChanged)]


class TestSandbox:
    """The same interface, with nobody in it."""

    async def test_it_has_made_up_people_and_no_others(self, scene: Scene) -> None:
        await scene.known(report(consent(TRYING), full_name="示例甲"))
        await scene.register(TRYING)
        await scene.sweep()
        await scene.known(report(consent(TRYING), full_name="示例乙"))
        items = await scene.read(TRYING)
        names = [item["data"]["classes"]["person_identity"]["full_name"] for item in reports_in(items)]
        assert len(names) == 3
        assert all("made up" in name for name in names)
        assert (await scene.staff("GET", "/v1/partners/trying-ngo"))["stage"] == "sandbox"

    async def test_nobody_who_is_live_sees_them_whatever_the_policies_say(self, scene: Scene) -> None:
        await scene.register(TRYING)
        await scene.known(report())
        await scene.staff("POST", "/v1/policies", ALL)
        await scene.sweep()
        subjects = {item["subject"] for item in await scene.read(NGO)}
        assert len(subjects) == 1
        assert len({item["subject"] for item in await scene.read(TRYING)}) == 3
        rows = await scene.world.execute(
            scene.service,
            "SELECT DISTINCT agency, synthetic FROM feed JOIN persons USING (person_id) WHERE state = 'live'",
        )
        assert {(row.agency, row.synthetic) for row in rows} == {
            ("trying-ngo", True), ("border-ngo", False), ("cn-police", False), ("th-body", False),
        }  # fmt: skip
        told = await scene.world.said(scene.service, ReleaseDecided)
        whole = [d for e in told for d in e.decisions if d.agency == "trying-ngo" and not d.classes]
        assert len(whole) == 2  # both events of the real person
        assert all("always.sandbox" in decision.policies for decision in whole)

    async def test_two_that_try_out_do_not_see_each_others_people(self, scene: Scene) -> None:
        other = {**TRYING, "agency": "trying-too"}
        await scene.register(TRYING, other)
        await scene.sweep()
        assert len(reports_in(await scene.read(TRYING))) == len(reports_in(await scene.read(other))) == 3

    async def test_police_and_government_have_somebody_to_try_with_too(self, scene: Scene) -> None:
        for who in (POLICE, BODY):
            trying = {**who, "agency": f"trying-{who['agency']}", "sandbox": True}
            await scene.register(trying)
            assert len(reports_in(await scene.read(trying))) == 3

    async def test_more_are_reported_and_withdraw_as_it_asks(self, scene: Scene) -> None:
        await scene.register(TRYING)
        before = (await scene.pull(TRYING, limit=1_000)).json()["cursor"]
        response = await try_out(scene, "reports")
        assert response.status_code == 200
        items = await scene.read(TRYING, before)
        assert len(reports_in(items)) == 1
        assert response.json() == {"last_sequence": int(items[-1]["sequence"])}
        for _ in range(4):
            assert (await try_out(scene, "withdrawals")).status_code == 200
        assert len(of_type(await scene.read(TRYING), RETRACTED)) == 8
        assert shown(await scene.read(TRYING)) == []
        again = await try_out(scene, "withdrawals")
        assert (again.status_code, again.json()["type"]) == (409, "/problems/nobody-left")

    async def test_the_log_says_which_events_are_made_up(self, scene: Scene) -> None:
        await scene.register(TRYING)
        [fed] = await scene.world.said(scene.service, SandboxFed)
        told = await scene.world.said(scene.service, ReleaseDecided)
        assert fed.agency == "trying-ngo"
        assert set(fed.events) == {one.decided_event_id for one in told}
        assert len(fed.events) == 6

    async def test_people_are_made_up_for_nobody_who_is_live(self, scene: Scene) -> None:
        for what in ("reports", "withdrawals"):
            response = await try_out(scene, what, NGO)
            assert (response.status_code, response.json()["type"]) == (409, "/problems/not-a-sandbox")
        await scene.register(TRYING)
        await post(scene, TRYING, "suspend")
        assert (await try_out(scene, "reports")).status_code == 403

    async def test_going_live_ends_it_from_the_next_read_on(self, scene: Scene) -> None:
        await scene.known(report(consent(TRYING), full_name="示例甲"))
        await scene.register(TRYING)
        assert len(shown(await scene.read(TRYING))) == 6
        await post(scene, TRYING, "go-live")
        assert shown(await scene.read(TRYING)) == []
        await scene.sweep()
        items = await scene.read(TRYING)
        assert len(of_type(items, RETRACTED)) == 6
        [real] = reports_in(items)
        assert real["data"]["classes"]["person_identity"]["full_name"] == "示例甲"
        await post(scene, TRYING, "go-live")
        assert await stages(scene) == ["sandbox", "live"]
        assert (await try_out(scene, "reports")).status_code == 409


class TestKeysLost:
    """All keys are refused at once; the partner stays one."""

    async def test_all_keys_and_tokens_are_refused(self, scene: Scene) -> None:
        assert scene.service.parts.own["published"] is not None
        keys = (await post(scene, NGO, "revoke"))["keys"]
        assert len(keys) == 1
        assert keys[0]["revoked_at"] is not None
        published = await scene.service.parts.own["published"]()
        assert keys[0]["kid"] in published["revoked"]
        said = await scene.world.said(scene.service, PartnerAccessChanged)
        assert [(one.agency, one.change) for one in said] == [(NGO["agency"], "key-revoked")]
        await post(scene, NGO, "revoke")
        assert len(await scene.world.said(scene.service, PartnerAccessChanged)) == 1

    async def test_it_gets_in_again_by_a_new_key(self, scene: Scene) -> None:
        await post(scene, NGO, "revoke")
        key = jose.new_key()
        await post(scene, NGO, "rotate-key", {"public_jwk": jose.public_jwk(key)})
        keys = (await scene.staff("GET", f"/v1/partners/{NGO['agency']}/keys"))["keys"]
        assert [k["kid"] for k in keys if k["revoked_at"] is None] == [key.thumbprint()]


class TestLeaving:
    """Everything is taken back, the partner confirms it, and the log has a certificate."""

    async def test_all_is_taken_back_and_nothing_more_is_given(self, scene: Scene) -> None:
        person_id = await scene.known(report(consent(NGO), consent(POLICE)))
        assert len(shown(await scene.read(NGO))) == 2
        begun = await post(scene, NGO, "offboard")
        assert (begun["releases"], begun["standing"], begun["retractions"]) == (2, 2, 0)
        # The next read obeys, before the background has come to it.
        assert [item["type"] for item in (await scene.read(NGO))[:2]] == [TOMBSTONE] * 2
        await scene.sweep()
        await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id))
        await scene.grant(person_id, NGO)
        items = await scene.read(NGO)
        assert shown(items) == []
        assert len(of_type(items, RETRACTED)) == 2
        assert len(shown(await scene.read(POLICE))) == 3

    async def test_it_has_left_once_it_has_acknowledged(self, scene: Scene) -> None:
        await scene.known(report(consent(NGO)))
        await scene.read(NGO)
        assert await refused(scene, NGO, "close", {}) == (404, "/problems/not-found")
        await post(scene, NGO, "offboard")
        assert await refused(scene, NGO, "close", {}) == (409, "/problems/still-retracting")
        await scene.sweep()
        assert await refused(scene, NGO, "close", {}) == (409, "/problems/not-acknowledged")
        items = await acknowledge(scene, NGO)
        left = await post(scene, NGO, "close", {})
        assert (left["releases"], left["standing"], left["retractions"], left["unacknowledged"]) == (
            2,
            0,
            2,
            0,
        )
        assert left["acknowledged_sequence"] == left["last_sequence"] == len(items)
        assert left["left_at"] is not None
        assert (await scene.pull(NGO)).status_code == 403
        [*_, told] = await scene.world.said(scene.service, PartnerStageChanged)
        assert told.farewell is not None
        assert told.farewell.model_dump().items() <= left.items()
        assert left["event_id"] == await self._last_event_id(scene)
        assert await scene.staff("GET", f"/v1/partners/{NGO['agency']}/certificate") == left
        assert await post(scene, NGO, "close", {}) == left
        assert await stages(scene) == ["leaving", "left"]

    async def _last_event_id(self, scene: Scene) -> str:
        rows = await scene.world.execute(
            scene.service,
            "SELECT id FROM outbox WHERE type = :type ORDER BY id DESC LIMIT 1",
            type=PartnerStageChanged.TYPE,
        )
        return str(rows[0].id)

    async def test_who_never_answers_is_let_go_with_a_reason_that_the_log_keeps(self, scene: Scene) -> None:
        await scene.known(report(consent(NGO)))
        await post(scene, NGO, "offboard")
        await scene.sweep()
        left = await post(scene, NGO, "close", {"reason": "Dissolved."})
        assert (left["unacknowledged"], left["acknowledged_sequence"]) == (2, 0)
        [*_, told] = await scene.world.said(scene.service, PartnerStageChanged)
        assert (told.stage, told.reason) == ("left", "Dissolved.")
        [one] = [p for p in (await scene.staff("GET", "/v1/partners"))["partners"] if p["stage"] == "left"]
        assert (one["agency"], one["retractions_overdue"], one["suspended"]) == (NGO["agency"], 0, True)

    async def test_what_a_suspended_partner_has_is_taken_back_too(self, scene: Scene) -> None:
        await scene.known(report(consent(NGO)))
        await post(scene, NGO, "suspend")
        await post(scene, NGO, "offboard")
        await scene.sweep()
        found = await scene.staff("GET", f"/v1/partners/{NGO['agency']}/certificate")
        assert (found["standing"], found["retractions"]) == (0, 2)

    async def test_who_has_left_does_not_come_back(self, scene: Scene) -> None:
        await post(scene, NGO, "offboard")
        await post(scene, NGO, "close", {})
        for what in ("resume", "go-live", "offboard"):
            assert await refused(scene, NGO, what) == (409, "/problems/partner-left")
        await scene.known(report(consent(NGO)))
        told = await scene.world.said(scene.service, ReleaseDecided)
        assert not any(d.agency == NGO["agency"] for one in told for d in one.decisions)

    async def test_who_is_not_leaving_has_no_certificate(self, scene: Scene) -> None:
        for agency in (NGO["agency"], "nobody"):
            response = await scene.ask("GET", f"/v1/partners/{agency}/certificate")
            assert response.status_code == 404


async def test_a_restored_database_has_the_partners_in_their_stages_again(scene: Scene) -> None:
    """Or who has left would be given everything again."""
    await scene.register(TRYING)
    await post(scene, TRYING, "go-live")
    await post(scene, NGO, "offboard")
    await post(scene, NGO, "close", {})
    await post(scene, POLICE, "offboard")
    said = await scene.world.said(scene.service, PartnerStageChanged)
    await scene.world.execute(
        scene.service,
        "UPDATE partners SET leaving_since = NULL, left_at = NULL, left_event = NULL, suspended = false, "
        "sandbox = true",
    )
    await scene.world.execute(
        scene.service, "UPDATE partners SET sandbox = false WHERE agency <> 'trying-ngo'"
    )
    await _restored(scene, *said)
    partners = (await scene.staff("GET", "/v1/partners"))["partners"]
    assert {one["agency"]: one["stage"] for one in partners} == {
        "border-ngo": "left",
        "cn-police": "leaving",
        "th-body": "live",
        "trying-ngo": "live",
    }


async def _restored(scene: Scene, *events: Event) -> None:
    records = await scene.world.records(*events)
    async with scene.service.parts.transaction("service:exchange") as tx:
        said = [(Envelope.of(record), record.value) for record in records]
        for incoming in await tx.open(said, {PartnerStageChanged.TYPE: PartnerStageChanged}):
            tx.incoming = incoming
            await RESTORES[PartnerStageChanged](incoming.event, tx)
