"""The index of readable keys: in no WAL, in no statistics, whole or not used, made anew when it is not."""

import asyncio

import pytest
import sqlalchemy as sa

from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.db import is_transient
from homeward.common.keys import KeyringUnavailable
from homeward.common.main import consume_loops
from homeward.common.parts import Service
from homeward.verification import matching_index as index
from homeward.verification.app import create_service
from homeward.verification.consumers import IndexIncomplete
from homeward.verification.rebuild import missing, rebuild
from homeward.verification.settings import Settings

from .conftest import ENTITLED
from .reports import ID_NUMBER, count, person_of, report


async def crash(world: World, service: Service) -> None:
    """What PostgreSQL does to unlogged tables when it recovers."""
    await world.execute(service, "TRUNCATE matching_index, matching_index_whole")


async def entries(world: World, service: Service) -> set[tuple[object, ...]]:
    """The index's rows."""
    return {tuple(row) for row in await world.execute(service, "SELECT * FROM matching_index")}


async def test_its_content_is_in_no_wal_and_no_statistics(world: World, service: Service) -> None:
    for _ in range(2):
        await world.deliver(service, *(report(id_number=f"110101{n:06}") for n in range(100)))
        await world.execute(service, "ANALYZE")
        relations = await world.execute(
            service,
            "SELECT relname, relpersistence::text AS kept FROM pg_class "
            "WHERE relname LIKE 'matching_index%' AND relkind IN ('r', 'i')",
        )
        assert len(relations) >= 4
        assert {row.kept for row in relations} == {"u"}
        columns = await world.execute(
            service, "SELECT attname FROM pg_stats WHERE tablename LIKE 'matching_index%'"
        )
        assert "key" not in {row.attname for row in columns}
        await rebuild(service.parts)


@pytest.mark.parametrize("analyzed", [False, True])
async def test_look_ups_go_by_the_b_tree(world: World, service: Service, analyzed: bool) -> None:
    await world.execute(
        service,
        "INSERT INTO matching_index SELECT 'id_number:' || n, gen_random_uuid(), gen_random_uuid() "
        "FROM generate_series(1, 60000) AS n",
    )
    if analyzed:
        await world.execute(service, "ANALYZE matching_index")
    async with service.parts.engine.connect() as db:
        explained = sa.text(f"EXPLAIN {index._LOOK_UP.text}")
        plan = await db.execute(explained, {"keys": [f"id_number:{n}" for n in range(900)]})
        assert not [line for line in plan.scalars() if "Seq Scan" in line]


async def test_after_a_crash_no_report_is_matched_until_it_is_rebuilt(world: World, service: Service) -> None:
    about = report(id_number=ID_NUMBER)
    await world.deliver(service, about, report(passport_number="E12345678"), report(full_name="李"))
    before = await entries(world, service)
    await crash(world, service)
    assert await missing(service.parts) == await service.ready() == "matching index"

    again = report(id_number=ID_NUMBER)
    records = await world.records(again)
    with pytest.raises(IndexIncomplete) as refused:
        await Consumer(service).handle(records)
    assert is_transient(refused.value)
    assert await count(world, service, "dead_letters") == 0

    done = await rebuild(service.parts, page=2)
    assert done is not None
    assert (done.reports, done.keys) == (3, 2)
    assert await service.ready() is None
    assert await entries(world, service) == before
    await world.handle(service, records)
    assert await person_of(world, service, again) == await person_of(world, service, about)


async def test_the_consume_role_rebuilds_by_itself_and_loses_no_report(
    world: World, service: Service
) -> None:
    about, again = report(id_number=ID_NUMBER), report(id_number=ID_NUMBER)
    await world.deliver(service, about)
    await crash(world, service)
    await world.publish(again)
    stop = asyncio.Event()
    loops = [asyncio.ensure_future(loop(stop)) for loop in consume_loops(service)]
    async with asyncio.timeout(20):
        while await person_of(world, service, again) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*loops)
    assert await person_of(world, service, again) == await person_of(world, service, about)


async def test_a_rebuild_without_keys_leaves_all_as_it_was(world: World, service: Service) -> None:
    await world.deliver(service, report(id_number=ID_NUMBER))
    fresh = await world.start(create_service, Settings, classes=ENTITLED)
    before = await entries(world, service)
    world.keyring.away = True
    with pytest.raises(KeyringUnavailable):
        await rebuild(fresh.parts)
    world.keyring.away = False
    assert await entries(world, service) == before
    assert await service.ready() is None
    assert await rebuild(fresh.parts) is not None


async def test_what_is_erased_is_not_in_the_new_index(world: World, service: Service) -> None:
    erased, other = report(id_number=ID_NUMBER), report(passport_number="E12345678")
    await world.deliver(service, erased, other)
    person_id = await person_of(world, service, erased)
    await world.keyring.erase([str(erased.report_id)], person_id=str(person_id), actor="client:operator-1")
    fresh = await world.start(create_service, Settings, classes=ENTITLED)
    await rebuild(fresh.parts)
    assert {row[0] for row in await entries(world, service)} == {"passport_number:E12345678"}


async def test_a_report_that_does_not_open_keeps_no_other_out(world: World, service: Service) -> None:
    broken, sound = report(id_number=ID_NUMBER), report(passport_number="E12345678")
    await world.deliver(service, broken, sound)
    # Its value under the other's event id: every class fails to open.
    await world.execute(
        service, "UPDATE reports SET event_id = gen_random_uuid() WHERE report_id = :id", id=broken.report_id
    )
    await rebuild(service.parts)
    assert {row[0] for row in await entries(world, service)} == {"passport_number:E12345678"}
    assert await service.ready() is None


async def test_what_happens_during_a_rebuild_is_in_the_new_index(world: World, service: Service) -> None:
    """Between the first page and the swap: a report comes, one is erased, one moves to another person."""
    early = [report(id_number=f"1101011990{n:06}") for n in range(4)]
    await world.deliver(service, *early)
    late = report(report_id="01000000-0000-7000-8000-000000000000", passport_number="E12345678")
    other = await world.start(create_service, Settings, classes=ENTITLED)
    moved_to = await person_of(world, service, early[2])
    assert moved_to is not None

    class Interrupting:
        """The keyring; what it does before its first answer happens during the rebuild."""

        done = False

        async def class_keys(self, subjects: list[str], *, create: bool) -> object:
            if not self.done:
                self.done = True
                await world.deliver(other, late)
                gone = await person_of(world, other, early[0])
                await world.keyring.erase(
                    [str(gone), str(early[0].report_id)], person_id=str(gone), actor="client:operator-1"
                )
                await world.announce_erasures(other)
                async with other.parts.transaction("client:reviewer-1") as tx:
                    await index.hold(tx.db)
                    await index.move_report(tx.db, early[1].report_id, moved_to)
                    await tx.db.execute(
                        sa.text("UPDATE links SET person_id = :to WHERE report_id = :report"),
                        {"to": moved_to, "report": early[1].report_id},
                    )
            return await world.keyring.class_keys(subjects, create=create)

    service.parts.keyring = Interrupting()  # type: ignore[assignment]
    await rebuild(service.parts, page=2)
    expected = {("passport_number:E12345678", await person_of(world, other, late), late.report_id)}
    for n in (1, 2, 3):
        key = f"id_number:1101011990{n:06}"
        expected.add((key, await person_of(world, other, early[n]), early[n].report_id))
    assert await entries(world, service) == expected
    assert (await person_of(world, other, early[1])) == moved_to


async def test_one_rebuild_at_a_time(world: World, service: Service) -> None:
    other = await world.start(create_service, Settings, classes=ENTITLED)
    await world.deliver(service, report(id_number=ID_NUMBER))
    done = await asyncio.gather(rebuild(service.parts), rebuild(other.parts))
    assert 1 <= sum(one is not None for one in done) <= 2
    assert await count(world, service, "matching_index") == 1
    held = "SELECT pg_advisory_lock(hashtextextended('matching index rebuild', 0))"
    async with other.parts.engine.connect() as db:
        await db.execute(sa.text(held))
        assert await rebuild(service.parts) is None
