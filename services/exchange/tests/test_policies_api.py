"""An operator looks what other policies would change, and activates them: refused whole, obeyed at once."""

import asyncio
from typing import Any

import pytest

from harness.world import World
from homeward.common.contracts import PolicyActivated
from homeward.common.envelope import Envelope
from homeward.common.ids import new_id
from homeward.exchange import compare
from homeward.exchange.api import policies as policies_api
from homeward.exchange.app import create_service
from homeward.exchange.policies import PolicySet
from homeward.exchange.restores import RESTORES
from homeward.exchange.settings import Settings
from homeward.exchange.store import pages
from homeward.exchange.sweep import Sweeper

from .scene import BODY, NGO, POLICE, RETRACTED, TOMBSTONE, Scene, consent, of_type, report, shown
from .test_policy_releases import ENVELOPES, NEVER, stricter

PACKAGED = dict(PolicySet.packaged().texts)
STRICTER = dict(stricter().texts)
OPEN = {**PACKAGED, "90-test.cedar": ENVELOPES}


async def activate(scene: Scene, texts: dict[str, str], **more: Any) -> Any:
    body = {"texts": texts, "reason": "Agreed by the board.", **more}
    return await scene.staff("POST", "/v1/policies", body)


async def check(scene: Scene, texts: dict[str, str], **more: Any) -> Any:
    return await scene.staff("POST", "/v1/policies/check", {"texts": texts, **more})


async def test_what_decides_is_shown_with_its_texts(scene: Scene) -> None:
    active = await scene.staff("GET", "/v1/policies")
    assert active["digest"] == PolicySet.packaged().digest
    assert active["texts"] == PACKAGED
    assert (active["origin"], active["reason"], active["redeciding"]) == ("release", None, [])
    policies = {policy["id"]: policy for policy in active["policies"]}
    assert policies["safeguard.hold"]["effect"] == "forbid"
    assert policies["consent.ngo.assistance"]["effect"] == "permit"
    assert await scene.staff("GET", f"/v1/policies/{active['digest']}") == active


async def test_a_check_says_what_would_be_withdrawn_and_changes_nothing(scene: Scene) -> None:
    await scene.known(report(consent(NGO), consent(POLICE)))
    before = await scene.read(NGO)
    found = await check(scene, STRICTER)
    assert [policy["id"] for policy in found["added"]] == ["never"]
    assert (found["removed"], found["changed"], found["next"]) == ([], [], None)
    assert (found["persons"], found["all_persons"]) == (1, 1)
    effects = {(e["agency"], e["field_class"]): (e["revealed"], e["withdrawn"]) for e in found["effects"]}
    assert {agency for agency, _ in effects} == {NGO["agency"]}
    # The report, and that it is linked to a person: both show their envelope.
    assert effects["border-ngo", "envelope"] == (0, 2)
    assert effects["border-ngo", "person_identity"] == (0, 1)
    assert await scene.read(NGO) == before
    assert (await scene.staff("GET", "/v1/policies"))["digest"] == found["active_digest"]


async def test_a_check_says_what_would_be_revealed_to_whom(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    found = await check(scene, OPEN)
    assert found["effects"] == [
        {"agency": who["agency"], "field_class": "envelope", "revealed": 2, "withdrawn": 0}
        for who in (POLICE, BODY)
    ]


async def test_a_check_compares_policy_by_policy(scene: Scene) -> None:
    softer = PACKAGED["10-safeguards.cedar"].replace("resource.held", "false && resource.held")
    other = {
        "10-safeguards.cedar": softer,
        "20-consent.cedar": PACKAGED["20-consent.cedar"].replace(
            "// What a consent", "// All that a consent"
        ),
    }
    found = await check(scene, other)
    assert [policy["id"] for policy in found["changed"]] == ["safeguard.hold"]
    assert [policy["id"] for policy in found["removed"]] == ["referral.its-own", "referral.named-classes"]
    assert found["added"] == []


async def test_a_check_goes_on_where_it_was(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies_api, "PERSONS", 2)
    for _ in range(5):
        await scene.known(report(consent(NGO)))
    after, revealed, requests = None, 0, 0
    while after is not None or not requests:
        found = await check(scene, OPEN, after=after)
        revealed += sum(effect["revealed"] for effect in found["effects"])
        after, requests = found["next"], requests + 1
    assert (revealed, requests) == (5 * 2 * 2, 3)


async def test_what_a_check_said_is_what_comes(scene: Scene) -> None:
    """Told per class, over partners that gain and one that loses."""
    await scene.known(report(consent(NGO), consent(POLICE)))
    texts = {**STRICTER, "95-test.cedar": OPEN["90-test.cedar"]}
    found = await check(scene, texts)
    before = {who["agency"]: shown(await scene.read(who)) for who in (POLICE, BODY, NGO)}
    await activate(scene, texts)
    await scene.sweep()
    for who in (POLICE, BODY, NGO):
        after = shown(await scene.read(who))
        for name in ("envelope", "status", "person_identity", "location_coarse"):
            had = sum(name in kinds for _, kinds in before[who["agency"]])
            has = sum(name in kinds for _, kinds in after)
            told = [e for e in found["effects"] if (e["agency"], e["field_class"]) == (who["agency"], name)]
            assert has - had == sum(e["revealed"] - e["withdrawn"] for e in told), (who["agency"], name)


async def test_activated_policies_are_obeyed_at_once_and_swept(scene: Scene) -> None:
    for _ in range(3):
        await scene.known(report(consent(NGO)))
    cursor = (await scene.pull(NGO, limit=1_000)).json()["cursor"]
    active = await activate(scene, STRICTER)
    assert (active["digest"], active["origin"]) == (stricter().digest, "operator")
    assert active["reason"] == "Agreed by the board."
    assert active["redeciding"] == [
        {
            "reason": "policies activated",
            "started_at": active["activated_at"],
            "persons_decided": 0,
            "persons": 3,
        }
    ]
    assert {item["type"] for item in (await scene.read(NGO))[:6]} == {TOMBSTONE}
    assert await scene.sweep(batch=2) == 2
    assert len(of_type(await scene.read(NGO, cursor), RETRACTED)) == 6
    assert (await scene.staff("GET", "/v1/policies"))["redeciding"] == []
    [told] = await scene.world.said(scene.service, PolicyActivated)
    assert (told.origin, told.reason, told.texts) == ("operator", "Agreed by the board.", STRICTER)


async def test_progress_is_told_while_everything_is_decided_again(scene: Scene) -> None:
    for _ in range(3):
        await scene.known(report(consent(NGO)))
    await activate(scene, STRICTER)
    await Sweeper(scene.service.parts, scene.service.parts.own["judge"], batch=2).step()
    [under_way] = (await scene.staff("GET", "/v1/policies"))["redeciding"]
    assert (under_way["persons_decided"], under_way["persons"]) == (2, 3)


async def test_every_replica_obeys_and_a_restart_changes_nothing(scene: Scene, world: World) -> None:
    await scene.known(report(consent(NGO)))
    replica = await world.start(create_service, Settings)
    async with world.client(replica) as client:
        other = Scene(world, replica, client)
        assert len(shown(await other.read(NGO))) == 2
        await activate(scene, STRICTER)
        assert shown(await other.read(NGO)) == []
        # What came with the release was only to begin with.
        await other.sweep()
        assert (await other.staff("GET", "/v1/policies"))["digest"] == stricter().digest
        assert (await other.explain(await _an_event(scene), NGO))["classes"][0]["policies"] == ["never"]
        # An operator may go back to it.
        await activate(other, PACKAGED)
        await other.sweep()
        assert len(shown(await scene.read(NGO))) == 2


async def _an_event(scene: Scene) -> str:
    [row, *_] = await scene.world.execute(scene.service, "SELECT event_id FROM events ORDER BY position")
    return str(row.event_id)


POLICY = '@id("x") @reason("r") permit (principal, action, resource) when {{ {} }};'
BAD = {
    "not Cedar": "permit (principal",
    "no reason": '@id("x") permit (principal, action, resource);',
    "an id that is there already": NEVER.replace("never", "safeguard.hold"),
    "unknown attribute": POLICY.format("resource.suspect"),
    "too deep": POLICY.format("(" * 60 + "true" + ")" * 60),
    "too long": POLICY.format("true" + " && true" * 2_000),
    "too many": POLICY.format("true" + " && true" * 500),
}  # fmt: skip


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
async def test_a_set_with_one_wrong_policy_is_refused_whole(scene: Scene, text: str) -> None:
    texts = {**STRICTER, "99-wrong.cedar": text}
    for path, more in (("/v1/policies", {"reason": "r"}), ("/v1/policies/check", {})):
        refused = await scene.ask("POST", path, {"texts": texts, **more})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/policies-refused")
        [error] = refused.json()["errors"]
        assert error["field"] == "texts"
        assert error["detail"]
    assert (await scene.staff("GET", "/v1/policies"))["digest"] == PolicySet.packaged().digest


@pytest.mark.parametrize(
    "body",
    [
        {"texts": STRICTER},
        {"texts": STRICTER, "reason": " "},
        {"texts": {}, "reason": "r"},
        {"texts": {"../x.cedar": NEVER}, "reason": "r"},
        {"texts": {"x.txt": NEVER}, "reason": "r"},
        {"texts": STRICTER, "reason": "r", "replaces": "x"},
    ],
    ids=["no reason", "empty reason", "no texts", "a path", "another ending", "no digest"],
)
async def test_an_activation_that_is_not_valid_changes_nothing(scene: Scene, body: Any) -> None:
    assert (await scene.ask("POST", "/v1/policies", body)).status_code == 422
    assert await scene.world.said(scene.service, PolicyActivated) == []


async def test_only_what_was_checked_against_is_replaced(scene: Scene) -> None:
    checked = (await check(scene, STRICTER))["active_digest"]
    await activate(scene, OPEN)
    refused = await scene.ask("POST", "/v1/policies", {"texts": STRICTER, "reason": "r", "replaces": checked})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/other-policies")
    decides = refused.json()["active_digest"]
    assert (await activate(scene, STRICTER, replaces=decides))["digest"] == stricter().digest


async def test_activating_what_decides_already_changes_nothing(scene: Scene) -> None:
    first = await activate(scene, STRICTER)
    await scene.sweep()
    again = await activate(scene, STRICTER, reason="Again.")
    assert {**again, "redeciding": first["redeciding"]} == first
    assert await scene.sweep() == 0
    assert len(await scene.world.said(scene.service, PolicyActivated)) == 1


async def test_no_page_that_was_begun_before_an_activation_is_handed_out_after_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page was looked at by the former policies, and is marked as read when the new ones decide."""
    await scene.known(report(consent(NGO)))
    looked, go_on, original = asyncio.Event(), asyncio.Event(), pages.mark_read

    async def slowly(*arguments: Any) -> int | None:
        looked.set()
        await go_on.wait()
        return await original(*arguments)

    monkeypatch.setattr(pages, "mark_read", slowly)
    reading = asyncio.create_task(scene.read(NGO))
    await looked.wait()
    await activate(scene, STRICTER)
    go_on.set()
    assert shown(await reading) == []


async def test_a_set_that_never_decided_is_not_found(scene: Scene) -> None:
    for digest in (stricter().digest, "x"):
        assert (await scene.ask("GET", f"/v1/policies/{digest}")).status_code == 404


def test_what_is_checked_in_parts_is_parsed_once() -> None:
    assert compare.candidate(dict(OPEN)) is compare.candidate(dict(OPEN))


async def test_a_check_behind_everybody_finds_nobody(scene: Scene) -> None:
    found = await check(scene, OPEN, after=str(new_id()))
    assert (found["persons"], found["next"], found["effects"]) == (0, None, [])


async def test_a_restored_database_has_the_policies_again_that_were_activated_since(scene: Scene) -> None:
    """Told by exchange's own event: who forgets a stricter set shows too much."""
    await scene.known(report(consent(NGO)))
    await activate(scene, STRICTER)
    [told] = await scene.world.said(scene.service, PolicyActivated)
    await scene.world.execute(
        scene.service, "DELETE FROM policy_sets WHERE digest = :digest", digest=told.digest
    )
    record = (await scene.world.records(told))[0]
    async with scene.service.parts.transaction("service:exchange") as tx:
        said = [(Envelope.of(record), record.value)]
        [tx.incoming] = await tx.open(said, {PolicyActivated.TYPE: PolicyActivated})
        await RESTORES[PolicyActivated](tx.handled.event, tx)
    replica = await scene.world.start(create_service, Settings)
    async with scene.world.client(replica) as client:
        again = await Scene(scene.world, replica, client).staff("GET", "/v1/policies")
    assert (again["digest"], again["origin"], again["reason"]) == (told.digest, "operator", told.reason)
    assert again["texts"] == STRICTER
