"""A consent ends by itself: no event says so, and it is obeyed all the same."""

from datetime import datetime, timedelta

import pytest

from .scene import BASIC, NGO, POLICE, RETRACTED, TOMBSTONE, F, Scene, consent, of_type, report, reports_in


async def test_a_read_after_the_end_obeys(scene: Scene) -> None:
    await scene.known(report(consent(POLICE, expires_at=scene.world.now + timedelta(hours=1))))
    assert len(reports_in(await scene.read(POLICE))) == 1
    scene.world.pass_time(minutes=59, seconds=59)
    assert len(reports_in(await scene.read(POLICE))) == 1
    scene.world.pass_time(seconds=1)
    assert [item["type"] for item in await scene.read(POLICE)] == [TOMBSTONE] * 2 + [RETRACTED] * 2


async def test_who_read_it_before_is_told_without_reading_it_again(scene: Scene) -> None:
    person_id = await scene.known(report(consent(POLICE)))
    await scene.grant(person_id, NGO, *BASIC, expires_at=(scene.world.now + timedelta(hours=1)).isoformat())
    cursor = (await scene.pull(NGO)).json()["cursor"]
    scene.world.pass_time(hours=1)
    assert await scene.read(NGO, cursor) == []
    assert await scene.sweep() == 1
    assert [item["type"] for item in await scene.read(NGO, cursor)] == [RETRACTED] * 2
    assert len(reports_in(await scene.read(POLICE))) == 1
    assert await scene.sweep() == 0


async def test_the_next_end_is_awaited_too(scene: Scene) -> None:
    hours = [timedelta(hours=n) for n in (1, 2)]
    person_id = await scene.known(report(consent(NGO, expires_at=scene.world.now + hours[1])))
    await scene.grant(person_id, NGO, F.NARRATIVE, expires_at=(scene.world.now + hours[0]).isoformat())
    for left in (1, 0):
        scene.world.pass_time(hours=1)
        await scene.sweep()
        assert len(reports_in(await scene.read(NGO))) == left
    [narrowed, *rest] = of_type(await scene.read(NGO), RETRACTED)
    assert narrowed["data"]["retracted"] == ["narrative"]
    assert {item["data"]["retracted"] for item in rest} == {"all"}


async def test_a_suspended_partners_end_is_left_until_it_is_resumed(scene: Scene) -> None:
    await scene.known(report(consent(NGO, expires_at=scene.world.now + timedelta(hours=1))))
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")
    scene.world.pass_time(hours=1)
    assert await scene.sweep() == 0
    await scene.staff("POST", f"/v1/partners/{NGO['agency']}/resume")
    await scene.sweep()
    assert [item["type"] for item in await scene.read(NGO)] == [TOMBSTONE] * 2 + [RETRACTED] * 2


@pytest.mark.parametrize(
    "stated", ["2025-01-07T10:00:00", "2025-01-07T10:00:00Z", "2025-01-07T18:00:00+08:00"]
)
async def test_an_end_stated_with_a_report_may_lack_its_zone(scene: Scene, stated: str) -> None:
    await scene.known(report(consent(POLICE, expires_at=datetime.fromisoformat(stated))))
    scene.world.pass_time(minutes=29)
    assert len(reports_in(await scene.read(POLICE))) == 1
    scene.world.pass_time(minutes=1)
    assert reports_in(await scene.read(POLICE)) == []
