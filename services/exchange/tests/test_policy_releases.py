"""A release that comes with other policies: they are activated once, and everybody follows."""

from typing import Any

import pytest

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.contracts import CaseOpened, PolicyActivated
from homeward.common.db import is_transient
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.exchange.activation import PoliciesSuperseded
from homeward.exchange.app import create_service
from homeward.exchange.policies import PolicySet
from homeward.exchange.settings import Settings

from .scene import NGO, POLICE, RETRACTED, TOMBSTONE, Scene, consent, report, shown

NEVER = '@id("never") @reason("r") forbid (principal, action, resource) when { principal.kind == "NGO" };'

ENVELOPES = (
    '@id("open") @reason("All see that there is something.") permit (principal, '
    'action == Action::"release_envelope", resource) when { context.addressee == "all" };'
)


def stricter() -> PolicySet:
    """The packaged set, and one policy more: nothing for NGOs."""
    return PolicySet.of({**PolicySet.packaged().texts, "90-test.cedar": NEVER})


async def with_policies(scene: Scene, world: World, policies: PolicySet) -> Service:
    """Another process of exchange, of a release with other policies."""

    def create(settings: Settings, **outside: Any) -> Service:
        return create_service(settings, policies=policies, **outside)

    return await world.start(create, Settings)


async def test_what_is_active_decides_until_the_newer_release_has_activated_its_own(
    scene: Scene, world: World
) -> None:
    await scene.known(report(consent(NGO), consent(POLICE)))
    assert len(shown(await scene.read(NGO))) == 2
    newer = await with_policies(scene, world, stricter())
    async with world.client(newer) as client:
        changed = Scene(world, newer, client)
        assert len(shown(await changed.read(NGO))) == 2
        await changed.activate()
        for process in (changed, scene):
            assert [item["type"] for item in await process.read(NGO)] == [TOMBSTONE] * 2 + [RETRACTED] * 2
            assert len(shown(await process.read(POLICE))) == 2


async def test_new_policies_are_activated_once_and_everything_is_swept(scene: Scene, world: World) -> None:
    await scene.known(report(consent(NGO)))
    await scene.sweep()
    cursor = (await scene.pull(NGO)).json()["cursor"]
    newer = await with_policies(scene, world, stricter())
    async with world.client(newer) as client:
        changed = Scene(world, newer, client)
        await changed.sweep()
        assert [item["type"] for item in await changed.read(NGO, cursor)] == [RETRACTED] * 2
        assert await changed.sweep() == 0
    told = await world.said(newer, PolicyActivated)
    assert [(one.digest, one.origin, one.reason) for one in told] == [(stricter().digest, "release", None)]


async def test_a_process_of_an_older_release_decides_by_what_is_active(scene: Scene, world: World) -> None:
    """While processes are replaced, the older ones could give again what the newer ones took."""
    person_id = await scene.known(report(consent(NGO)))
    await scene.sweep()
    newer = await with_policies(scene, world, stricter())
    async with world.client(newer) as client:
        await Scene(world, newer, client).sweep()
    before = await scene.read(NGO)
    await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id))
    await scene.staff("POST", "/v1/consents/withdrawals", {"person_id": str(person_id)})
    assert await scene.read(NGO) == before
    # Set back to that release, its policies are activated again, and decide.
    await scene.grant(person_id, NGO)
    await scene.sweep()
    assert len(shown(await scene.read(NGO))) == 3


async def test_a_process_that_cannot_read_the_active_policies_decides_nothing(
    scene: Scene, world: World
) -> None:
    """They are of a release whose policies may be asked about more."""
    person_id = await scene.known(report(consent(NGO)))
    assert (await scene.pull(NGO)).status_code == 200
    await world.execute(
        scene.service,
        "INSERT INTO policy_sets (digest, policies, texts, activated_at) VALUES ('other', '{a}', "
        """'{"a.cedar": "@id(\\"a\\") @reason(\\"r\\") permit (principal, action, resource);"}', now())""",
    )
    [record] = await world.records(CaseOpened(case_id=new_id(), person_id=person_id))
    with pytest.raises(PoliciesSuperseded) as raised:
        await Consumer(scene.service).handle([record])
    assert is_transient(raised.value)
    refused = await scene.ask("POST", "/v1/consents/withdrawals", {"person_id": str(person_id)})
    assert refused.status_code == 503
    assert (await scene.pull(NGO)).status_code == 503
