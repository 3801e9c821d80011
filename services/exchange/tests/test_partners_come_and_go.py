"""Partners that come later, are suspended and resumed; policies that change: the sweep catches up."""

from homeward.common.contracts import (
    CaseOpened,
    ReadDenied,
    ReleaseDecided,
)
from homeward.common.ids import new_id

from .scene import BODY, NGO, POLICE, RETRACTED, TOMBSTONE, Scene, consent, of_type, report, shown


async def decided_for(scene: Scene, agency: str) -> int:
    told = await scene.world.said(scene.service, ReleaseDecided)
    return sum(one.agency == agency for event in told for one in event.decisions)


async def test_events_before_the_first_partner_are_decided_when_it_comes(empty: Scene) -> None:
    await empty.known(report(consent(POLICE)))
    assert await empty.world.said(empty.service, ReleaseDecided) == []
    await empty.register(POLICE)
    await empty.sweep()
    assert len(shown(await empty.read(POLICE))) == 2
    assert await decided_for(empty, POLICE["agency"]) == 2


async def test_a_new_partner_gets_what_it_may_see_by_the_sweep(empty: Scene) -> None:
    await empty.register(POLICE)
    await empty.known(report(consent(POLICE), consent(NGO)))
    before = await empty.read(POLICE)
    await empty.register(NGO, BODY)
    await empty.sweep()
    assert len(shown(await empty.read(NGO))) == 2
    assert await empty.read(POLICE) == before
    # What is withheld is recorded for a partner that sees nothing, and once.
    assert await empty.read(BODY) == []
    for who in (POLICE, NGO, BODY):
        assert await decided_for(empty, who["agency"]) == 2
    assert await empty.sweep() == 0


async def test_a_sweep_goes_through_many_persons_in_steps(empty: Scene) -> None:
    for _ in range(5):
        await empty.known(report(consent(NGO)))
    await empty.register(NGO)
    assert await empty.sweep(batch=2) == 3
    assert len(shown(await empty.read(NGO))) == 10


async def suspend(scene: Scene) -> None:
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")


async def resume(scene: Scene) -> None:
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/resume")


async def test_a_suspended_partner_is_refused_at_once_by_whatever_token(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    assert (await scene.pull(NGO)).status_code == 200
    await suspend(scene)
    for method, path, body in (("GET", "/v1/events", None), ("POST", "/v1/events/ack", {"sequence": 1})):
        response = await scene.partner(NGO, method, path, json=body)
        assert response.status_code == 403
        assert response.json()["type"] == "/problems/partner-suspended"
        assert "events" not in response.json()
    denied = await scene.world.said(scene.service, ReadDenied)
    assert [(one.agency, one.problem) for one in denied] == [(NGO["agency"], "partner-suspended")] * 2


async def test_who_is_no_partner_reads_nothing(scene: Scene) -> None:
    stranger = {**NGO, "agency": "stranger"}
    assert (await scene.pull(stranger)).status_code == 403


async def test_nothing_is_added_to_a_suspended_partners_feed_until_it_is_resumed(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    other = await scene.known(report(consent(NGO)))
    before = await scene.read(NGO)
    await suspend(scene)
    await scene.withdraw(other)
    await scene.deliver(CaseOpened(case_id=new_id(), person_id=person_id))
    [row] = await scene.world.execute(
        scene.service, "SELECT last_seq FROM partners WHERE agency = :agency", agency=NGO["agency"]
    )
    assert row.last_seq == len(before)
    await resume(scene)
    # A read before the sweep obeys already.
    assert [item["type"] for item in (await scene.read(NGO))[2:4]] == [TOMBSTONE] * 2
    await scene.sweep()
    items = await scene.read(NGO)
    assert len(of_type(items, RETRACTED)) == 2
    assert len(of_type(items, CaseOpened.TYPE)) == 1


async def test_suspending_twice_is_one_change(scene: Scene) -> None:
    for _ in range(2):
        await suspend(scene)
    for _ in range(2):
        await resume(scene)
    assert (await scene.staff("GET", f"/v1/partners/{NGO['agency']}"))["revision"] == 3


async def test_a_read_after_a_partner_changed_decides_again(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    assert len(shown(await scene.read(NGO))) == 2
    await scene.world.execute(
        scene.service,
        "UPDATE partners SET clearance = '{envelope}', revision = revision + 1 WHERE agency = :agency",
        agency=NGO["agency"],
    )
    assert [kinds for _, kinds in shown(await scene.read(NGO))] == [{"envelope"}, {"envelope"}]


async def test_no_event_about_a_decision_outgrows_a_record(empty: Scene) -> None:
    """However many partners there are: so many decisions make several events."""
    await empty.register(NGO)
    await empty.world.execute(
        empty.service,
        "INSERT INTO partners SELECT (jsonb_populate_record(p, jsonb_build_object("
        "'agency', p.agency || '-' || n))).* FROM partners p, generate_series(1, 249) n",
    )
    await empty.known(report(consent(NGO)))
    told = await empty.world.said(empty.service, ReleaseDecided)
    assert [len(one.decisions) for one in told] == [100, 100, 50] * 2
    for part in (told[:3], told[3:]):
        assert len({one.decided_event_id for one in part}) == 1
        assert len({decision.agency for one in part for decision in one.decisions}) == 250
    [row] = await empty.world.execute(empty.service, "SELECT max(length(value)) AS longest FROM outbox")
    assert row.longest < 100_000
