"""How far a partner has got: it is told of its own feed, the operator of what it has not confirmed."""

from datetime import timedelta
from typing import Any

from homeward.common.contracts import ReadDenied

from .scene import NGO, POLICE, Profile, Scene, consent, report

DAY = timedelta(days=1)


async def stats(scene: Scene, who: Profile = NGO) -> Any:
    response = await scene.partner(who, "GET", "/v1/events/stats")
    assert response.status_code == 200, response.text
    return response.json()


async def followed(scene: Scene, who: Profile = NGO) -> Any:
    partners = (await scene.staff("GET", "/v1/partners"))["partners"]
    [one] = [one for one in partners if one["agency"] == who["agency"]]
    return one


async def acknowledge(scene: Scene, sequence: int) -> None:
    response = await scene.partner(NGO, "POST", "/v1/events/ack", json={"sequence": sequence})
    assert response.status_code == 200, response.text


async def test_a_feed_with_nothing_in_it_lags_by_nothing(scene: Scene) -> None:
    assert await stats(scene) == {
        "last_sequence": 0,
        "read_sequence": 0,
        "acknowledged_sequence": 0,
        "lag_events": 0,
        "lag_seconds": 0,
        "retractions_unacknowledged": 0,
    }


async def test_lag_is_counted_in_events_and_in_seconds(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    scene.world.now += timedelta(seconds=90)
    await scene.known(report(consent(NGO)))
    scene.world.now += timedelta(seconds=30)
    found = await stats(scene)
    assert (found["lag_events"], found["lag_seconds"]) == (4, 120)
    await scene.pull(NGO, limit=3)
    found = await stats(scene)
    assert (found["read_sequence"], found["lag_events"], found["lag_seconds"]) == (3, 1, 30)
    await scene.read(NGO)
    found = await stats(scene)
    assert (found["lag_events"], found["lag_seconds"]) == (0, 0)


async def test_what_others_see_counts_for_nothing(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))
    before = await stats(scene)
    for _ in range(3):
        await scene.known(report(consent(POLICE)))
    assert await stats(scene) == before


async def test_a_retraction_waits_to_be_acknowledged(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO)))
    items = await scene.read(NGO)
    await acknowledge(scene, len(items))
    await scene.withdraw(person_id)
    assert (await stats(scene))["retractions_unacknowledged"] == 2
    # To have read it is not to have let go of it.
    items = await scene.read(NGO)
    assert (await stats(scene))["retractions_unacknowledged"] == 2
    await acknowledge(scene, len(items) - 1)
    assert (await stats(scene))["retractions_unacknowledged"] == 1
    await acknowledge(scene, len(items))
    assert (await stats(scene))["retractions_unacknowledged"] == 0


async def test_operators_see_what_is_overdue_and_since_when(scene: Scene) -> None:
    person_id = await scene.known(report(consent(NGO), consent(POLICE)))
    await scene.withdraw(person_id, recipient=NGO["agency"])
    since = scene.world.now
    one = await followed(scene)
    assert (one["retractions_unacknowledged"], one["retractions_overdue"]) == (2, 0)
    scene.world.now += DAY + timedelta(seconds=1)
    one = await followed(scene)
    assert (one["retractions_unacknowledged"], one["retractions_overdue"]) == (2, 2)
    assert one["oldest_unacknowledged_at"] == since.isoformat().replace("+00:00", "Z")
    assert (await followed(scene, POLICE))["oldest_unacknowledged_at"] is None
    items = await scene.read(NGO)
    await acknowledge(scene, len(items))
    one = await followed(scene)
    assert (one["retractions_unacknowledged"], one["retractions_overdue"]) == (0, 0)


async def test_a_suspended_partner_is_not_told_how_far_it_is(scene: Scene) -> None:
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    response = await scene.partner(NGO, "GET", "/v1/events/stats")
    assert (response.status_code, response.json()["type"]) == (403, "/problems/partner-suspended")
    assert [one.agency for one in await scene.world.said(scene.service, ReadDenied)] == [NGO["agency"]]
