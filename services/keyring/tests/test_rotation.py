"""Changing the key-encryption key: nothing is lost whatever happens meanwhile, then the old one is gone."""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from harness.world import World
from homeward.common.contracts import KekDestroyed, KeysRewrapped, SubjectErased
from homeward.common.keys import Erased, KeySet
from homeward.common.parts import Service
from homeward.keyring.domain import Kek, KekUnusable
from homeward.keyring.kek_files import FilesNotOurs, KekFiles
from homeward.keyring.rotation import Rotated, Rotation, RotationRefused, RotationUnderWay
from homeward.keyring.settings import Settings

from .conftest import Asking, on_its_own_keys
from .test_command import run, started

PERSON = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def files(secrets: Path) -> KekFiles:
    return KekFiles(secrets / "kek")


def rotation_of(service: Service) -> Rotation:
    rotation: Rotation = service.parts.own["rotation"]
    return rotation


async def rotate(service: Service, page: int = 7) -> Rotated:
    return await rotation_of(service).run("client:operator", page=page)


def fresh(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


async def erase(asking: Asking, *subjects: str) -> None:
    await asking("verification").erase(subjects, person_id=PERSON, actor="client:operator")


async def wrapped_by(world: World, service: Service) -> set[str]:
    return {row.kek_id for row in await world.execute(service, "SELECT DISTINCT kek_id FROM data_keys")}


async def test_every_live_key_opens_as_before_and_under_the_new_key_alone(
    world: World, service: Service, asking: Asking, files: KekFiles
) -> None:
    subjects = fresh(50)
    before = await asking("intake").class_keys(subjects, create=True)
    old = files.first()
    done = await rotate(service)
    assert (done.former_kek_id, done.destroyed_at) == (old.id, world.now)
    assert done.keys >= len(subjects)
    assert set(files.read()) == {done.kek_id} == await wrapped_by(world, service)
    assert await asking("intake").class_keys(subjects, create=True) == before
    assert await service.ready() is None


async def test_a_keyring_that_has_wrapped_nothing_changes_its_key_too(
    service: Service, asking: Asking, files: KekFiles
) -> None:
    old = files.first()
    done = await rotate(service)
    assert done.former_kek_id == old.id
    assert set(files.read()) == {done.kek_id}
    await asking("intake").class_keys(fresh(1), create=True)


async def test_it_is_on_record_with_both_keys_named(
    world: World, service: Service, asking: Asking, files: KekFiles
) -> None:
    await asking("intake").class_keys(fresh(3), create=True)
    old = files.first()
    done = await rotate(service)
    [rewrapped] = await world.said(service, KeysRewrapped)
    [destroyed] = await world.said(service, KekDestroyed)
    assert (rewrapped.former_kek_id, rewrapped.kek_id, rewrapped.keys) == (old.id, done.kek_id, done.keys)
    assert (destroyed.kek_id, destroyed.destroyed_at) == (old.id, done.destroyed_at)
    [row] = await world.execute(service, "SELECT actor FROM outbox WHERE type LIKE '%kek.destroyed%'")
    assert row.actor == "client:operator"


async def test_what_an_erasure_left_in_copies_is_named_and_dated(
    world: World, service: Service, asking: Asking, files: KekFiles
) -> None:
    """A copy of the database from before the erasure opens with the key until that is destroyed."""
    [subject] = fresh(1)
    await asking("intake").class_keys([subject], create=True)
    [copy] = await world.execute(service, "SELECT * FROM data_keys WHERE subject = :s", s=subject)
    old = files.first()
    await erase(asking, subject)
    [erased] = await world.said(service, SubjectErased)
    assert erased.kek_ids == (old.id,)
    assert files.read()[copy.kek_id].unwrap(subject, copy.wrapped), "erasing alone leaves copies readable"
    await rotate(service)
    [destroyed] = await world.said(service, KekDestroyed)
    assert erased.kek_ids == (destroyed.kek_id,)
    for kek in files.read().values():
        with pytest.raises(KekUnusable):
            kek.unwrap(subject, copy.wrapped)
    certificate = await world.execute(
        service, "SELECT erased_at, destroyed_at FROM tombstones JOIN keks USING (kek_id)"
    )
    assert [tuple(row) for row in certificate] == [(erased.erased_at, destroyed.destroyed_at)]


async def test_who_never_had_a_key_left_nothing_in_copies(
    world: World, service: Service, asking: Asking
) -> None:
    await erase(asking, *fresh(1))
    [erased] = await world.said(service, SubjectErased)
    assert erased.kek_ids == ()


async def test_many_are_rewrapped_while_others_are_made_and_erased(
    world: World, service: Service, asking: Asking, files: KekFiles
) -> None:
    """Nobody notices but by the wrapping: no key changes, none is unavailable, no erased one comes back."""
    intake, kept, doomed, new = asking("intake"), fresh(60), fresh(40), fresh(60)
    before = await intake.class_keys(kept + doomed, create=True)
    going = True

    async def read() -> None:
        while going:
            some = random.sample(kept, 20)
            assert await intake.class_keys(some, create=True) == {s: before[s] for s in some}

    async def make() -> KeySet:
        made: dict[str, object] = {}
        for subject in new:
            made |= await intake.class_keys([subject], create=True)
        return made  # type: ignore[return-value]

    async def destroy() -> None:
        for subject in doomed:
            await erase(asking, subject)

    async def rotations() -> list[Rotated]:
        return [await rotate(service, page=3) for _ in range(3)]

    readers = [asyncio.create_task(read()) for _ in range(2)]
    rotated, made, _ = await asyncio.gather(rotations(), make(), destroy())
    going = False
    await asyncio.gather(*readers)
    last = await rotate(service)
    assert await wrapped_by(world, service) == {last.kek_id} == set(files.read())
    found = await intake.class_keys(kept + doomed + new, create=False)
    assert {s: found[s] for s in kept} == {s: before[s] for s in kept}
    assert {s: found[s] for s in new} == made
    assert all(isinstance(found[s], Erased) for s in doomed)
    unreadable = await world.execute(
        service, "SELECT count(*) FROM tombstones t JOIN keks USING (kek_id) WHERE destroyed_at IS NOT NULL"
    )
    assert unreadable[0][0] == len(doomed)
    assert len(await world.said(service, KekDestroyed)) == len(rotated) + 1


@asynccontextmanager
async def holding(database: str, statement: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's open transaction, in the way of what is to wait for it."""
    db = await asyncpg.connect(database.replace("+asyncpg", ""))
    try:
        async with db.transaction():
            await db.execute(statement)
            yield db
    finally:
        await db.close()


@contextmanager
def rotating(secrets: Path, database: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own, killed at the end."""
    process = started(secrets, "rotate", KEYRING_DATABASE_URL=database, KEYRING_BROKER_URL=database)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def until(world: World, service: Service, question: str, process: "subprocess.Popen[str]") -> None:
    for _ in range(1_200):
        if (await world.execute(service, question))[0][0]:
            return
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.05)
    raise AssertionError(question)


WAITING = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
ALL_BUT_ONE = "SELECT count(*) = 1 FROM data_keys JOIN keks USING (kek_id) WHERE retired_at IS NOT NULL"
MOMENTS = {
    "before the first step": ("SELECT pg_advisory_xact_lock(hashtextextended('erasure', 0))", WAITING),
    "with the next key on disk alone": ("SELECT * FROM keks FOR UPDATE", WAITING),
    "all but one rewrapped": ("SELECT * FROM data_keys WHERE subject = '{last}' FOR UPDATE", ALL_BUT_ONE),
}
"""What is held so that the rotation cannot go further, and how it is seen that it came so far."""


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_in_the_middle_it_goes_on_from_there(
    world: World, service: Service, asking: Asking, secrets: Path, files: KekFiles, database: str, moment: str
) -> None:
    subjects = fresh(2_500)
    before = await asking("intake").class_keys(subjects, create=True)
    old = files.first()
    statement, reached = MOMENTS[moment]
    async with holding(database, statement.format(last=max(subjects))):
        with rotating(secrets, database) as process:
            await until(world, service, reached, process)
            process.kill()
            process.wait()
    assert old.id in files.read()
    assert await asking("intake").class_keys(subjects[:500] + fresh(1), create=True)
    ended = run(secrets, "rotate", KEYRING_DATABASE_URL=database, KEYRING_BROKER_URL=database)
    assert ended.returncode == 0, ended.stderr
    assert f"{old.id} was destroyed" in ended.stdout
    assert len(files.read()) == 1
    assert await wrapped_by(world, service) == set(files.read())
    assert await asking("intake").class_keys(subjects, create=False) == before
    assert len(await world.said(service, KekDestroyed)) == 1


async def test_killed_before_the_end_was_noted_it_notes_it(
    world: World, service: Service, asking: Asking, files: KekFiles
) -> None:
    await asking("intake").class_keys(fresh(3), create=True)
    done = await rotate(service)
    await world.execute(service, "UPDATE keks SET destroyed_at = NULL WHERE retired_at IS NOT NULL")
    world.pass_time(hours=1)
    again = await rotate(service)
    assert (again.kek_id, again.former_kek_id) == (done.kek_id, done.former_kek_id), "and begins no other"
    assert again.destroyed_at == world.now
    assert set(files.read()) == {done.kek_id}


class TestMountedBySomebodyElse:
    """Where a process may not write the files, an operator places and takes away; the command says what."""

    @pytest.fixture(autouse=True)
    def _not_ours(self, service: Service) -> None:
        service.parts.own["rotation"]._files = Mounted(service.parts.settings.kek_file)  # type: ignore[attr-defined]

    async def test_without_a_next_key_nothing_begins(
        self, world: World, service: Service, files: KekFiles
    ) -> None:
        old = files.first()
        with pytest.raises(RotationRefused, match=r"put a fresh one beside .*/kek, as kek\.next"):
            await rotate(service)
        assert set(files.read()) == {old.id}
        assert (await world.execute(service, "SELECT count(*) FROM keks"))[0][0] == 1

    async def test_it_goes_as_far_as_it_may_and_ends_when_the_old_key_is_gone(
        self, world: World, service: Service, asking: Asking, files: KekFiles
    ) -> None:
        subjects = fresh(20)
        before = await asking("intake").class_keys(subjects, create=True)
        old, made = files.first(), files.make_next()
        for _ in range(2):
            done = await rotate(service)
            assert (done.kek_id, done.destroyed_at) == (made.id, None)
        assert await wrapped_by(world, service) == {made.id}
        assert await world.said(service, KekDestroyed) == []
        files.keep_only(made.id)  # the operator
        assert await service.ready() is None
        done = await rotate(service)
        assert (done.former_kek_id, done.destroyed_at) == (old.id, world.now)
        assert len(await world.said(service, KeysRewrapped)) == 1
        assert await asking("intake").class_keys(subjects, create=False) == before

    async def test_an_old_key_cannot_come_back(
        self, service: Service, asking: Asking, files: KekFiles
    ) -> None:
        await asking("intake").class_keys(fresh(1), create=True)
        old = files.path.read_text()
        files.make_next()
        await rotate(service)
        files.keep_only(next(iter(files.read())))
        await rotate(service)
        files.next_path.write_text(old)
        files.next_path.chmod(0o600)
        with pytest.raises(RotationRefused, match="was used before; put a fresh one there"):
            await rotate(service)


class Mounted(KekFiles):
    """As in a read-only mount, which root does not meet in a test's folder."""

    def make_next(self) -> Kek:
        raise FilesNotOurs

    def keep_only(self, kek_id: str) -> None:
        return None


class TestRefusals:
    async def test_two_at_once(self, service: Service, database: str) -> None:
        async with holding(database, "SELECT pg_advisory_lock(hashtextextended('kek rotation', 0))"):
            with pytest.raises(RotationUnderWay, match="by another process"):
                await rotate(service)

    async def test_without_the_key_that_wrapped_the_data_keys_nothing_is_touched(
        self, world: World, service: Service, asking: Asking, secrets: Path, files: KekFiles
    ) -> None:
        await asking("intake").class_keys(fresh(3), create=True)
        before = await world.execute(service, "SELECT * FROM data_keys ORDER BY subject")
        files.path.write_text("ab" * 32)
        with pytest.raises(KekUnusable, match="wrapped by another key-encryption key"):
            await rotate(service)
        assert set(files.read()) == {Kek(b"\xab" * 32).id}, "and no next key is left behind"
        assert await world.execute(service, "SELECT * FROM data_keys ORDER BY subject") == before

    async def test_with_the_former_key_gone_too_early_it_waits_for_it(
        self, world: World, service: Service, asking: Asking, files: KekFiles
    ) -> None:
        """The operator took away the old key before all was rewrapped: put it back, and it goes on."""
        subjects = fresh(3)
        before = await asking("intake").class_keys(subjects, create=True)
        old, made = files.path.read_text(), files.make_next()
        await world.execute(service, "UPDATE keks SET retired_at = now()")
        await world.execute(
            service, "INSERT INTO keks (kek_id, current_from) VALUES (:id, now())", id=made.id
        )
        files.keep_only(made.id)
        with pytest.raises(KekUnusable):
            await rotate(service)
        assert "key-encryption key" in str(await service.ready())
        files.next_path.write_text(old)
        files.next_path.chmod(0o600)
        assert (await rotate(service)).destroyed_at is None, "it is there still, as the next one"
        files.next_path.unlink()
        assert (await rotate(service)).destroyed_at == world.now
        assert await asking("intake").class_keys(subjects, create=False) == before

    async def test_a_data_key_that_does_not_open_keeps_the_old_key(
        self, world: World, service: Service, asking: Asking, files: KekFiles
    ) -> None:
        broken, whole = sorted(fresh(2))
        await asking("intake").class_keys([broken, whole], create=True)
        await world.execute(
            service, "UPDATE data_keys SET wrapped = 'x' || wrapped WHERE subject = :s", s=broken
        )
        old = files.first()
        with pytest.raises(KekUnusable):
            await rotate(service)
        assert old.id in files.read()
        assert await asking("intake").class_keys([whole], create=False)


async def test_the_operator_asks_over_http(world: World, service: Service, files: KekFiles) -> None:
    old = files.first()
    async with world.client(service, "operations") as client:
        answer = await client.post("/v1/keyring/rotations")
        assert answer.status_code == 200
        assert answer.json()["former_kek_id"] == old.id
        async with holding(world.database, "SELECT pg_advisory_lock(hashtextextended('kek rotation', 0))"):
            refused = await client.post("/v1/keyring/rotations")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/rotation-under-way")
    async with world.client(service, "persons:read") as client:
        assert (await client.post("/v1/keyring/rotations")).status_code == 403


async def test_another_process_of_the_keyring_goes_on_with_the_new_key(
    world: World, service: Service, secrets: Path
) -> None:
    other = await world.start(
        on_its_own_keys, Settings, kek_file=secrets / "kek", services_file=secrets / "services.json"
    )
    [subject] = fresh(1)
    mine, its = (s.parts.own["services"].keyring_of("intake") for s in (service, other))
    before = await its.class_keys([subject], create=True)
    await rotate(service)
    assert await its.class_keys([subject], create=True) == before
    assert await mine.class_keys([*(new := fresh(1)), subject], create=True) == {
        **await its.class_keys(new, create=True),
        **before,
    }
