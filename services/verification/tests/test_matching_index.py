"""The index of readable keys: in no WAL, in no statistics, whole or not used, made anew when it is not."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from harness.postgres import Postgres
from harness.postgres_embedded import EmbeddedPostgres
from harness.world import World
from homeward.common.consumer import Consumer
from homeward.common.db import is_transient
from homeward.common.ids import new_id
from homeward.common.keys import KeyringUnavailable, KeySet
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


class Interrupting:
    """The keyring; ``meanwhile`` happens before its first answer."""

    def __init__(self, world: World, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._world = world
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    async def class_keys(self, subjects: list[str], *, create: bool) -> KeySet:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile:
            await meanwhile()
        return await self._world.keyring.class_keys(subjects, create=create)


async def test_what_happens_during_a_rebuild_is_in_the_new_index(world: World, service: Service) -> None:
    erased, moved, stays = report(id_number="11010119900001"), *(report(id_number=ID_NUMBER) for _ in "ab")
    await world.deliver(service, stays, moved, erased)
    # Its id is before all others: the page it belongs to is being read already.
    late = report(report_id="01000000-0000-7000-8000-000000000000", passport_number="E12345678")

    async def meanwhile() -> None:
        other = await world.start(create_service, Settings, classes=ENTITLED)
        await world.deliver(other, late)
        async with world.client(other, "links:write", "subjects:erase") as http:
            gone, known = [await person_of(world, other, one) for one in (erased, stays)]
            assert (await http.post(f"/v1/persons/{gone}/erase")).status_code == 202
            answer = await http.delete(f"/v1/persons/{known}/reports/{moved.report_id}")
            assert answer.status_code == 200

    service.parts.keyring = Interrupting(world, meanwhile)  # type: ignore[assignment]
    await rebuild(service.parts, page=2)
    assert await entries(world, service) == {
        ("passport_number:E12345678", await person_of(world, service, late), late.report_id),
        (f"id_number:{ID_NUMBER}", await person_of(world, service, moved), moved.report_id),
        (f"id_number:{ID_NUMBER}", await person_of(world, service, stays), stays.report_id),
    }
    assert await person_of(world, service, moved) != await person_of(world, service, stays)


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


async def test_after_a_real_crash_it_is_empty_and_known_to_be(
    world: World, service: Service, postgres: Postgres
) -> None:
    await world.deliver(service, report(id_number=ID_NUMBER))
    postgres.kill()
    await asyncio.to_thread(postgres.restart)
    assert await entries(world, service) == set()
    assert await service.ready() == "matching index"
    await rebuild(service.parts)
    assert len(await entries(world, service)) == 1


async def test_what_was_erased_is_soon_in_no_file(world: World, postgres: Postgres) -> None:
    """Deleting leaves bytes in a file; the consume role makes the file anew by itself."""
    if not isinstance(postgres, EmbeddedPostgres):
        pytest.skip("only the embedded server is sure to share our file system")
    service = await world.start(create_service, Settings, classes=ENTITLED, forget_within_seconds=0.3)
    number = f"7{new_id().int % 10**17:017}"
    about = report(id_number=number)
    await world.deliver(service, about, report(id_number=ID_NUMBER))
    await world.execute(service, "ANALYZE")
    await asyncio.to_thread(postgres.restart)  # an orderly one writes unlogged tables to their files
    found = files_with(number.encode(), postgres.folder / "data")
    assert {path.parts[0] for path in found} == {"base"}, "in the index, in no WAL"

    person_id = await person_of(world, service, about)
    async with world.client(service, "subjects:erase") as http:
        assert (await http.post(f"/v1/persons/{person_id}/erase")).status_code == 202
    db = await asyncpg.connect(world.database.replace("+asyncpg", ""))
    await db.execute("VACUUM matching_index")
    await db.execute("CHECKPOINT")
    await db.close()
    assert files_with(number.encode(), postgres.folder / "data"), "deleted, vacuumed, and still there"

    stop = asyncio.Event()
    loops = [asyncio.ensure_future(loop(stop)) for loop in consume_loops(service)]
    async with asyncio.timeout(30):
        while await count(world, service, "index_leftovers"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*loops)
    await asyncio.to_thread(postgres.restart)
    assert files_with(number.encode(), postgres.folder / "data") == []
    assert await service.ready() is None
    assert len(await entries(world, service)) == 1


async def test_who_is_erased_during_a_rebuild_is_due_for_the_next(world: World, service: Service) -> None:
    """The new file may hold what was read before the erasure."""
    erased = report(id_number=ID_NUMBER)
    await world.deliver(service, erased, report(passport_number="E12345678"))

    async def meanwhile() -> None:
        other = await world.start(create_service, Settings, classes=ENTITLED)
        async with world.client(other, "subjects:erase") as http:
            gone = await person_of(world, other, erased)
            assert (await http.post(f"/v1/persons/{gone}/erase")).status_code == 202

    service.parts.keyring = Interrupting(world, meanwhile)  # type: ignore[assignment]
    await rebuild(service.parts)
    assert await count(world, service, "index_leftovers") == 1
    await rebuild(service.parts)
    assert await count(world, service, "index_leftovers") == 0
    assert len(await entries(world, service)) == 1


def files_with(content: bytes, folder: Path) -> list[Path]:
    """The files below ``folder`` that hold ``content``, by their path within it."""
    found = [path for path in folder.rglob("*") if path.is_file() and content in path.read_bytes()]
    return [path.relative_to(folder) for path in found]
