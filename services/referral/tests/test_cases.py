"""Every person has exactly one case; the case of an erased person is closed and stays so."""

import asyncio
from uuid import UUID

import sqlalchemy as sa

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.contracts import CaseClosed, CaseOpened, PersonRegistered, SubjectErased
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.referral.app import create_service
from homeward.referral.settings import Settings

from .conftest import ENTITLED


def registered(person_id: UUID | None = None) -> PersonRegistered:
    """Somebody new, or the person with this id."""
    return PersonRegistered(person_id=person_id or new_id(), report_id=new_id())


def erased(world: World, person_id: UUID, *others: UUID, named: bool = True) -> SubjectErased:
    """A person's erasure, with other subjects."""
    subjects = tuple(str(subject) for subject in (person_id, new_id(), *others))
    return SubjectErased(
        erasure_id=new_id(),
        subjects=(*subjects, "service:intake"),
        person_id=person_id if named else None,
        erased_at=world.now,
    )


async def cases(world: World, service: Service) -> dict[UUID, tuple[str, str, str | None]]:
    """Person → case status, search status, reason for closing."""
    rows = await world.execute(service, "SELECT person_id, case_status, search_status, reason FROM cases")
    assert len({row.person_id for row in rows}) == len(rows)
    return {row.person_id: (row.case_status, row.search_status, row.reason) for row in rows}


OPEN = ("Active", "information_sought", None)
GONE = ("Closed", "information_sought", "erased")


async def test_a_person_gets_a_case(world: World, service: Service) -> None:
    one, other = registered(), registered()
    await world.deliver(service, one, other)
    assert await cases(world, service) == {one.person_id: OPEN, other.person_id: OPEN}
    said = await world.said(service, CaseOpened)
    assert [(s.person_id, s.case_status, s.search_status) for s in said] == [
        (one.person_id, "Active", "information_sought"),
        (other.person_id, "Active", "information_sought"),
    ]


async def test_exactly_one(world: World, service: Service) -> None:
    one = registered()
    records = await world.deliver(service, one)
    await world.handle(service, records)
    await world.deliver(service, registered(one.person_id), registered(one.person_id))
    assert len(await world.said(service)) == 1
    assert await cases(world, service) == {one.person_id: OPEN}


async def test_erasure_closes_the_case(world: World, service: Service) -> None:
    one, other = registered(), registered()
    await world.deliver(service, one, other)
    await world.keyring.erase([str(one.person_id)], person_id=str(one.person_id), actor="client:operator-1")
    await world.announce_erasures(service)
    assert await cases(world, service) == {one.person_id: GONE, other.person_id: OPEN}
    [closed] = await world.said(service, CaseClosed)
    assert (closed.person_id, closed.case_status, closed.reason) == (one.person_id, "Closed", "erased")
    await world.deliver(service, erased(world, one.person_id))
    assert len(await world.said(service, CaseClosed)) == 1


async def test_a_person_among_the_subjects_is_erased_too(world: World, service: Service) -> None:
    one, merged = registered(), registered()
    await world.deliver(service, one, merged)
    await world.deliver(service, erased(world, one.person_id, merged.person_id))
    assert await cases(world, service) == {one.person_id: GONE, merged.person_id: GONE}


async def test_whichever_topic_is_read_first_no_case_of_an_erased_person_is_open(
    world: World, service: Service
) -> None:
    early, together, late = registered(), registered(), registered()
    await world.deliver(service, erased(world, early.person_id))
    await world.deliver(service, early)
    await world.deliver(service, together, erased(world, together.person_id))
    await world.deliver(service, erased(world, late.person_id), late)
    assert set((await cases(world, service)).values()) == {GONE}
    said = await world.said(service)
    assert [(type(s), s.stream()) for s in said[1:]] == [(CaseClosed, said[0].stream())]
    assert isinstance(said[0], CaseOpened)
    assert said[0].person_id == together.person_id


async def test_erasures_that_name_nobody_known_open_nothing(world: World, service: Service) -> None:
    await world.deliver(service, erased(world, new_id(), named=False))
    assert await cases(world, service) == {}
    assert await world.said(service) == []


async def test_registered_and_erased_at_the_same_moment(world: World, service: Service) -> None:
    other = await world.start(create_service, Settings, classes=ENTITLED)
    people = [registered() for _ in range(20)]
    here = await world.records(*people)
    there = await world.records(*(erased(world, one.person_id) for one in reversed(people)))
    await asyncio.gather(world.handle(service, here), world.handle(other, there))
    assert await cases(world, service) == {one.person_id: GONE for one in people}
    opened, closed = [await world.said(service, kind) for kind in (CaseOpened, CaseClosed)]
    assert len(opened) == len(closed)


async def test_a_batch_asks_few_questions_whatever_its_size(world: World, service: Service) -> None:
    asked: list[str] = []
    sa.event.listen(
        service.parts.engine.sync_engine, "before_cursor_execute", lambda *event: asked.append(event[2])
    )

    async def statements(size: int) -> int:
        records = await world.records(*(registered() for _ in range(size)))
        asked.clear()
        await Consumer(service).handle(records)
        return len(asked)

    assert await statements(200) == await statements(2)


async def test_over_the_log(world: World, service: Service) -> None:
    await world.publish(registered(), registered())
    assert await world.consume(service) == 2
    assert await world.relay(service) == 2
