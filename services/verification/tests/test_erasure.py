"""Erasure: nothing of the person is matched, kept readable, or linked to any more."""

from uuid import UUID

from harness.world import World
from homeward.common.contracts import ReportReceived, SubjectErased
from homeward.common.ids import new_id
from homeward.common.parts import Service

from .reports import ID_NUMBER, count, person_of, report


async def known(world: World, service: Service, about: ReportReceived) -> UUID:
    """The person of a report, once delivered."""
    await world.deliver(service, about)
    found = await person_of(world, service, about)
    assert found is not None
    return found


async def destroy(world: World, person_id: UUID, *reports: ReportReceived) -> None:
    """Have the keys of a person and reports destroyed, without verification's doing anything."""
    subjects = [str(person_id), *(str(one.report_id) for one in reports)]
    await world.keyring.erase(subjects, person_id=str(person_id), actor="client:operator-1")


async def test_the_event_blanks_reports_and_removes_index_rows(world: World, service: Service) -> None:
    about, other = report(id_number=ID_NUMBER), report(passport_number="E12345678")
    person_id = await known(world, service, about)
    await known(world, service, other)
    await destroy(world, person_id, about)
    records = await world.announce_erasures(service)
    assert [r.topic for r in records] == ["homeward.keyring.v1"]
    kept = await world.execute(service, "SELECT report_id FROM reports WHERE sealed IS NOT NULL")
    assert [row.report_id for row in kept] == [other.report_id]
    keys = await world.execute(service, "SELECT key FROM matching_index")
    assert [row.key for row in keys] == ["passport_number:E12345678"]
    [row] = await world.execute(service, "SELECT person_id FROM persons WHERE erased_at IS NOT NULL")
    assert row.person_id == person_id


async def test_a_later_report_is_about_somebody_new(world: World, service: Service) -> None:
    about = report(id_number=ID_NUMBER)
    person_id = await known(world, service, about)
    await destroy(world, person_id, about)
    await world.announce_erasures(service)
    assert await known(world, service, report(id_number=ID_NUMBER)) != person_id


async def test_a_report_in_the_batch_of_the_erasure_is_about_somebody_new(
    world: World, service: Service
) -> None:
    about, later = report(id_number=ID_NUMBER), report(id_number=ID_NUMBER)
    person_id = await known(world, service, about)
    await destroy(world, person_id, about)
    await world.deliver(service, later, *world.keyring.announced)
    assert await person_of(world, service, later) not in {None, person_id}


async def test_a_report_whose_keys_are_gone_before_it_is_read_is_nobody(
    world: World, service: Service
) -> None:
    about, other = report(id_number=ID_NUMBER), report()
    records = await world.records(about, other)
    await destroy(world, new_id(), about)
    await world.handle(service, records)
    assert await person_of(world, service, about) is None
    assert await count(world, service, "reports") == 1
    assert len(await world.said(service)) == 1


async def test_a_reporter_erased_leaves_the_report(world: World, service: Service) -> None:
    about = report(id_number=ID_NUMBER)
    records = await world.records(about)
    await world.keyring.erase([str(about.reporter_id)], person_id=str(new_id()), actor="client:operator-1")
    await world.handle(service, records)
    assert await person_of(world, service, about) is not None


async def test_a_report_linked_while_the_keys_were_destroyed_goes_too(world: World, service: Service) -> None:
    about, late = report(id_number=ID_NUMBER), report(id_number=ID_NUMBER)
    person_id = await known(world, service, about)
    await destroy(world, person_id, about)
    assert await known(world, service, late) == person_id
    await world.announce_erasures(service)
    assert str(late.report_id) in world.keyring.erased
    await world.announce_erasures(service)
    assert await count(world, service, "matching_index") == 0
    assert await count(world, service, "reports WHERE sealed IS NOT NULL") == 0


async def test_an_erasure_that_concerns_nobody_here_is_no_trouble(world: World, service: Service) -> None:
    await known(world, service, report(id_number=ID_NUMBER))
    subjects = (str(new_id()), "service:intake")
    await world.deliver(service, SubjectErased(erasure_id=new_id(), subjects=subjects, erased_at=world.now))
    assert await count(world, service, "matching_index") == 1
