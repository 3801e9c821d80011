"""Reports become persons, each once, whoever handles them and however often they come."""

import asyncio

import pytest
import sqlalchemy as sa

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.contracts import PersonRegistered, ReportLinked
from homeward.common.contracts.verification import LinkBasis
from homeward.common.parts import Service
from homeward.verification.app import create_service
from homeward.verification.settings import Settings

from .conftest import ENTITLED
from .reports import ID_NUMBER, count, person_of, report


async def test_a_report_about_nobody_known_registers_a_person(world: World, service: Service) -> None:
    about = report(full_name="王星")
    await world.deliver(service, about)
    [registered] = await world.said(service)
    assert isinstance(registered, PersonRegistered)
    assert registered.report_id == about.report_id
    assert registered.person_id == await person_of(world, service, about)


@pytest.mark.parametrize(
    ("first", "second", "basis"),
    [
        ({"id_number": "11010119900307123x"}, {"id_number": "110101 19900307 123X"}, "id_number"),
        ({"passport_number": "E12345678"}, {"passport_number": "e 1234 5678"}, "passport_number"),
        (
            {"full_name": "Wang Xing", "date_of_birth": "1990-03-07"},
            {"full_name": "WANG  XING", "date_of_birth": "１９９０-０３-０７", "kind": "found"},
            "name_and_date_of_birth",
        ),
    ],
)
async def test_a_shared_strong_key_links(
    world: World, service: Service, first: dict[str, str], second: dict[str, str], basis: str
) -> None:
    one, other = report(**first), report(**second)
    await world.deliver(service, one)
    await world.deliver(service, other)
    person_id = await person_of(world, service, one)
    assert await world.said(service, ReportLinked) == [
        ReportLinked(person_id=person_id, report_id=other.report_id, basis=LinkBasis(basis))
    ]
    assert await person_of(world, service, other) == person_id


async def test_within_one_batch_too(world: World, service: Service) -> None:
    reports = [report(id_number=ID_NUMBER, full_name=f"Name {n}") for n in range(3)]
    await world.deliver(service, *reports, report(full_name="Name 1"))
    assert await count(world, service, "persons") == 2
    assert len({await person_of(world, service, one) for one in reports}) == 1
    kinds = [type(event) for event in await world.said(service)]
    assert kinds == [PersonRegistered, ReportLinked, ReportLinked, PersonRegistered]


async def test_a_name_alone_links_nobody(world: World, service: Service) -> None:
    await world.deliver(service, report(full_name="王伟"), report(full_name="王伟", date_of_birth="1990"))
    assert await count(world, service, "persons") == 2


async def test_keys_of_several_persons_link_to_the_first_and_leave_the_others(
    world: World, service: Service
) -> None:
    older, younger = report(passport_number="E12345678"), report(id_number=ID_NUMBER)
    both = report(passport_number="E12345678", id_number=ID_NUMBER)
    for one in (older, younger, both):
        await world.deliver(service, one)
    assert await person_of(world, service, both) == await person_of(world, service, older)
    assert await person_of(world, service, younger) != await person_of(world, service, older)
    assert await count(world, service, "persons") == 2


async def test_a_repeated_delivery_does_nothing(world: World, service: Service) -> None:
    records = await world.deliver(service, report(id_number=ID_NUMBER), report(id_number=ID_NUMBER))
    await world.handle(service, records)
    await world.handle(service, records[1:] + records[:1])
    assert [await count(world, service, table) for table in ("persons", "reports", "links")] == [1, 2, 2]
    assert len(await world.said(service)) == 2


async def test_two_consumers_at_the_same_moment_make_one_person(world: World, service: Service) -> None:
    other = await world.start(create_service, Settings, classes=ENTITLED)
    numbers = [f"1101011990030{n:05}" for n in range(20)]
    here = await world.records(*(report(id_number=n) for n in numbers))
    there = await world.records(*(report(id_number=n) for n in reversed(numbers)))
    await asyncio.gather(world.handle(service, here), world.handle(other, there))
    assert await count(world, service, "persons") == 20
    assert await count(world, service, "reports") == 40


async def test_one_by_one_two_consumers_make_one_person(world: World, service: Service) -> None:
    other = await world.start(create_service, Settings, classes=ENTITLED)
    for n in range(10):
        here, there = [await world.records(report(passport_number=f"E7654321{n}")) for _ in "ab"]
        await asyncio.gather(world.handle(service, here), world.handle(other, there))
    assert await count(world, service, "persons") == 10


async def test_a_batch_asks_few_questions_whatever_its_size(world: World, service: Service) -> None:
    asked: list[str] = []
    sa.event.listen(
        service.parts.engine.sync_engine, "before_cursor_execute", lambda *event: asked.append(event[2])
    )

    async def statements(size: int) -> int:
        records = await world.records(*(report(id_number=f"99{size:04}{n:04}") for n in range(size)))
        asked.clear()
        await Consumer(service).handle(records)
        return len(asked)

    assert await statements(200) == await statements(2)


async def test_what_it_needs_no_key_for_stays_sealed(world: World, service: Service) -> None:
    about = report(full_name="王星", narrative="Seen near the river.")
    [record] = await world.deliver(service, about)
    [row] = await world.execute(service, "SELECT sealed, event_id FROM reports")
    assert row.sealed == record.value, "kept exactly as it came"
    assert "王星".encode() not in row.sealed
    assert str(row.event_id) == dict(record.headers)["ce_id"].decode()


async def test_over_the_log(world: World, service: Service) -> None:
    await world.publish(report(id_number=ID_NUMBER), report(full_name="李"), report(id_number=ID_NUMBER))
    assert await world.consume(service) == 3
    assert await world.relay(service) == 3
    assert await world.consume(service) == 0
    assert await count(world, service, "persons") == 2
