"""Erasing: the key is gone at once, and no race brings one back."""

import asyncio
import random
from uuid import uuid4

import httpx
import pytest

from harness.world import World
from homeward.common.contracts import SubjectErased
from homeward.common.envelope import topic_of
from homeward.common.keys import Erased
from homeward.common.parts import Service

from .conftest import Asking

PERSON = "01890a5d-ac96-774b-bcce-b302099a8057"


async def erase(asking: Asking, *subjects: str) -> object:
    return await asking("verification").erase(subjects, person_id=PERSON, actor="client:operator")


def fresh(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


async def test_an_erased_subject_has_no_key_and_gets_none(
    world: World, service: Service, asking: Asking
) -> None:
    erased, other = fresh(2)
    before = await asking("intake").class_keys([erased, other], create=True)
    at = await erase(asking, erased)
    for create in (False, True):
        after = await asking("intake").class_keys([erased, other], create=create)
        assert after == {erased: Erased(world.now), other: before[other]}
    assert at == world.now
    left = await world.execute(service, "SELECT subject FROM data_keys WHERE subject LIKE '%-%-%'")
    assert [row.subject for row in left] == [other]


async def test_who_was_never_known_can_be_erased_beforehand(asking: Asking, world: World) -> None:
    [subject] = fresh(1)
    await erase(asking, subject)
    assert await asking("intake").class_keys([subject], create=True) == {subject: Erased(world.now)}


async def test_it_is_announced_by_the_person_and_the_actor_is_kept(
    world: World, service: Service, asking: Asking
) -> None:
    subjects = fresh(3)
    await asking("intake").class_keys(subjects, create=True)
    await erase(asking, *subjects)
    [event] = await world.said(service, SubjectErased)
    assert event.subjects == tuple(sorted(subjects))
    assert (str(event.person_id), event.erased_at) == (PERSON, world.now)
    [row] = await world.execute(service, "SELECT actor FROM outbox WHERE type LIKE '%erased%'")
    assert row.actor == "client:operator"


async def test_erasing_again_changes_nothing_and_gives_the_first_time(
    world: World, service: Service, asking: Asking
) -> None:
    subjects = fresh(2)
    first = await erase(asking, *subjects)
    world.pass_time(days=3)
    assert await erase(asking, *subjects) == first
    assert len(await world.said(service, SubjectErased)) == 1


async def test_one_more_subject_is_announced_alone(world: World, service: Service, asking: Asking) -> None:
    old, new = fresh(2)
    await erase(asking, old)
    world.pass_time(days=3)
    assert await erase(asking, old, new) == world.now
    assert [event.subjects for event in await world.said(service, SubjectErased)] == [(old,), (new,)]


@pytest.mark.parametrize("name", ["intake", "referral", "exchange", "audit"])
async def test_only_verification_may_erase(asking: Asking, name: str) -> None:
    [subject] = fresh(1)
    await asking("intake").class_keys([subject], create=True)
    with pytest.raises(RuntimeError, match="403"):
        await asking(name).erase([subject], person_id=PERSON, actor="client:x")
    assert not isinstance((await asking("intake").class_keys([subject], create=False))[subject], Erased)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"subjects": []}, "subjects"),
        ({"subjects": ["service:intake"]}, "subjects[0]"),
        ({"person_id": "somebody"}, "person_id"),
        ({"actor": "Somebody"}, "actor"),
        ({"reason": "x"}, "reason"),
    ],
)
async def test_what_cannot_be_erased_is_refused(
    wire: httpx.AsyncClient, asking: Asking, changed: dict[str, object], field: str
) -> None:
    body = {"subjects": fresh(1), "person_id": PERSON, "actor": "client:x"} | changed
    answer = await wire.post("/v1/erasures", json=body, headers=asking("verification")._headers())
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_no_race_with_a_creator_brings_a_key_back(
    world: World, service: Service, asking: Asking
) -> None:
    """Whoever comes first: afterwards the subject is erased for everybody, and no key is left."""
    subjects = fresh(40)
    intake = asking("intake")

    async def create(subject: str) -> None:
        await asyncio.sleep(random.random() * 0.05)
        await intake.class_keys([subject], create=True)

    async def destroy(subject: str) -> None:
        await asyncio.sleep(random.random() * 0.05)
        await erase(asking, subject)

    await asyncio.gather(*(act(s) for s in subjects for act in (create, destroy, create)))
    kept = await world.execute(service, "SELECT count(*) FROM data_keys WHERE subject LIKE '%-%-%'")
    assert kept[0][0] == 0
    assert len(await world.said(service, SubjectErased)) == len(subjects)
    found = await intake.class_keys(subjects, create=True)
    assert set(found) == set(subjects)
    assert all(isinstance(one, Erased) for one in found.values())


async def test_a_reader_in_a_race_with_an_erasure_sees_a_key_or_the_erasure(asking: Asking) -> None:
    """Never nothing: a handler would take that for a class it may not see, and go on."""
    subjects = fresh(30)
    intake = asking("intake")
    await intake.class_keys(subjects, create=True)
    reading = True

    async def read() -> None:
        while reading:
            assert set(await intake.class_keys(subjects, create=False)) == set(subjects)

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for subject in subjects:
        await erase(asking, subject)
    reading = False
    await asyncio.gather(*readers)


async def test_a_restored_database_erases_again_what_its_backup_still_held(
    world: World, service: Service, asking: Asking
) -> None:
    kept = ("data_keys", "tombstones", "outbox", "relay_state")
    await world.broker.ensure_topics([topic_of("keyring")])
    [gone, stays] = fresh(2)
    before = await asking("intake").class_keys([gone, stays], create=True)
    await world.relay(service)
    for table in kept:
        await world.execute(service, f"CREATE TABLE kept_{table} AS TABLE {table}")
    await erase(asking, gone)
    await world.relay(service)
    for table in reversed(kept):
        await world.execute(service, f"DELETE FROM {table}")
        await world.execute(service, f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}")
    await world.execute(service, "SELECT setval(pg_get_serial_sequence('outbox', 'position'), 1000)")
    assert (await asking("intake").class_keys([gone], create=False))[gone] == before[gone]

    await world.relay(service)
    after = await asking("intake").class_keys([gone, stays], create=True)
    assert isinstance(after[gone], Erased)
    assert after[stays] == before[stays]
    assert [one.subjects for one in await world.said(service, SubjectErased)] == [(gone,)]
