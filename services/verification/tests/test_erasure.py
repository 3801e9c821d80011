"""Erasure: nothing of the person is matched, kept readable, or linked to any more."""

from datetime import timedelta
from uuid import UUID

from harness.world import World
from homeward.common.contracts import KekDestroyed, ReportReceived, SubjectErased
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


class TestCertificate:
    """A person's two times: since when the keys are gone, and since when from older backups as well."""

    async def erased(self, world: World, service: Service, *kek_ids: str) -> UUID:
        about = report(id_number=ID_NUMBER)
        person_id = await known(world, service, about)
        await self.say_erased(world, service, person_id, about.report_id, *kek_ids)
        return person_id

    async def say_erased(
        self, world: World, service: Service, person_id: UUID, subject: UUID, *kek_ids: str
    ) -> None:
        await world.keyring.erase([str(subject)], person_id=str(person_id), actor="client:operator-1")
        [event], world.keyring.announced = world.keyring.announced, []
        await world.deliver(service, event.model_copy(update={"kek_ids": kek_ids, "erased_at": world.now}))

    async def times(self, world: World, service: Service, person_id: UUID) -> tuple[object, object]:
        async with world.client(service, "persons:read") as http:
            found = (await http.get(f"/v1/persons/{person_id}")).json()
        return found["erased_at"], found["backups_unreadable_since"]

    async def test_backups_are_readable_until_every_key_that_wrapped_is_destroyed(
        self, world: World, service: Service
    ) -> None:
        person_id = await self.erased(world, service, "old", "new")
        now = world.now.isoformat().replace("+00:00", "Z")
        assert await self.times(world, service, person_id) == (now, None)
        at = [world.now + timedelta(days=day) for day in (1, 2, 3)]
        for kek_id, destroyed_at, known_since in (("other", at[0], None), ("new", at[2], None)):
            await world.deliver(service, KekDestroyed(kek_id=kek_id, destroyed_at=destroyed_at))
            assert (await self.times(world, service, person_id))[1] == known_since
        await world.deliver(service, KekDestroyed(kek_id="old", destroyed_at=at[1]))
        assert await self.times(world, service, person_id) == (now, at[2].isoformat().replace("+00:00", "Z"))

    async def test_in_whatever_order_it_is_heard(self, world: World, service: Service) -> None:
        at = world.now + timedelta(days=1)
        await world.deliver(service, KekDestroyed(kek_id="old", destroyed_at=at))
        person_id = await self.erased(world, service, "old")
        assert (await self.times(world, service, person_id))[1] == at.isoformat().replace("+00:00", "Z")

    async def test_a_further_erasure_takes_it_back_until_its_key_is_destroyed_too(
        self, world: World, service: Service
    ) -> None:
        await world.deliver(service, KekDestroyed(kek_id="old", destroyed_at=world.now))
        person_id = await self.erased(world, service, "old")
        await self.say_erased(world, service, person_id, new_id(), "new")
        assert (await self.times(world, service, person_id))[1] is None

    async def test_where_there_was_no_key_there_is_nothing_in_backups(
        self, world: World, service: Service
    ) -> None:
        person_id = await self.erased(world, service)
        erased_at, unreadable_since = await self.times(world, service, person_id)
        assert erased_at == unreadable_since is not None

    async def test_of_who_is_not_erased_there_is_none(self, world: World, service: Service) -> None:
        person_id = await known(world, service, report(id_number=ID_NUMBER))
        assert await self.times(world, service, person_id) == (None, None)
