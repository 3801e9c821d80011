"""In whatever order keys are made, destroyed and rewrapped, and wherever that is cut short: who is not erased
keeps their keys, and of who is erased no copy opens once the keyring says so."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from harness.world import World, open_world
from homeward.common.ids import new_id
from homeward.common.keys import ClassKeys, Erased
from homeward.common.parts import Service
from homeward.keyring.domain import Kek, KekUnusable
from homeward.keyring.kek_files import FilesNotOurs, KekFiles
from homeward.keyring.keyring import LocalKeyring
from homeward.keyring.rotation import Rotation
from homeward.keyring.settings import Settings

from .conftest import on_its_own_keys

T = TypeVar("T")
PERSON = "01890a5d-ac96-774b-bcce-b302099a8057"


class Killed(Exception):
    """Where the process ends."""


class EndingWithNext(KekFiles):
    """Killed when the next key is on disk, and nothing else done."""

    def make_next(self) -> Kek:
        super().make_next()
        raise Killed


class EndingBeforeTheEnd(KekFiles):
    """Killed when all is rewrapped."""

    def keep_only(self, kek_id: str) -> None:
        raise Killed


class EndingAtTheEnd(KekFiles):
    """Killed when the former key is destroyed, before that is noted."""

    def keep_only(self, kek_id: str) -> None:
        super().keep_only(kek_id)
        raise Killed


class Mounted(KekFiles):
    """Not for the process to change; the next key is there already."""

    def make_next(self) -> Kek:
        return KekFiles(self.path).make_next()

    def keep_only(self, kek_id: str) -> None:
        raise FilesNotOurs


class Stage:
    """One keyring for all runs; each run is about subjects of its own."""

    def __init__(self, database: str, secrets: Path) -> None:
        self._database, self._secrets = database, secrets
        self._runner = asyncio.Runner()
        self.files = KekFiles(secrets / "kek")
        self.world: World
        self.service: Service

    def run(self, awaitable: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await awaitable

        return self._runner.run(awaited())

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        with self._runner:
            context = open_world(self._database)
            self.world = self.run(context.__aenter__())
            services_file = self._secrets / "services.json"
            starting = self.world.start(
                on_its_own_keys, Settings, kek_file=self.files.path, services_file=services_file
            )
            self.service = self.run(starting)
            try:
                yield self
            finally:
                self.run(context.__aexit__(None, None, None))


class Certificates(RuleBasedStateMachine):
    """Three keys in a life of a keyring, and somebody who keeps a copy of each state."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[str, ClassKeys | Erased] = {}
        self.erased: set[str] = set()
        self.copies: set[tuple[str, str, bytes]] = set()

    @property
    def keyring(self) -> LocalKeyring:
        found: LocalKeyring = self.stage.service.parts.own["services"].keyring_of("verification")
        return found

    @rule(count=st.integers(1, 4))
    def made(self, count: int) -> None:
        fresh = [str(new_id()) for _ in range(count)]
        self.alive |= self.stage.run(self.keyring.class_keys(fresh, create=True))

    @rule(at=st.integers(0, 100))
    def destroyed(self, at: int) -> None:
        if self.alive:
            subject = sorted(self.alive)[at % len(self.alive)]
            self.stage.run(self.keyring.erase([subject], person_id=PERSON, actor="client:operator"))
            del self.alive[subject]
            self.erased.add(subject)

    @rule(
        files=st.sampled_from([KekFiles, EndingWithNext, EndingBeforeTheEnd, EndingAtTheEnd, Mounted]),
        page=st.integers(1, 3),
    )
    def rotated(self, files: type[KekFiles], page: int) -> None:
        rotation = Rotation(lambda: self.stage.service.parts, files(self.stage.files.path))
        with suppress(Killed):
            self.stage.run(rotation.run("client:operator", page=page))

    @invariant()
    def who_is_not_erased_keeps_their_keys(self) -> None:
        rows = self._rows("SELECT subject, kek_id, wrapped FROM data_keys")
        self.copies |= {(row[0], row[1], row[2]) for row in rows if row[0] in self.alive}
        assert self.stage.run(self.keyring.class_keys(self.alive, create=True)) == self.alive

    @invariant()
    def no_copy_opens_of_whom_the_keyring_says_so(self) -> None:
        sure = "SELECT subject FROM tombstones JOIN keks USING (kek_id) WHERE destroyed_at IS NOT NULL"
        unreadable = {row[0] for row in self._rows(sure)} & self.erased
        assert not unreadable & self._opened()

    def teardown(self) -> None:
        """A copy of somebody erased opens until the rotations are done, and then the keyring says so."""
        self.destroyed(0)
        self.no_copy_opens_of_whom_the_keyring_says_so()
        for _ in range(2):
            self.rotated(KekFiles, 2)
        assert not self.erased & self._opened()
        unsure = "SELECT subject FROM tombstones JOIN keks USING (kek_id) WHERE destroyed_at IS NULL"
        assert not {row[0] for row in self._rows(unsure)} & self.erased
        self.who_is_not_erased_keeps_their_keys()
        assert {subject for subject, _, _ in self.copies if subject in self.alive} <= self._opened()

    def _opened(self) -> set[str]:
        """Whose keys somebody with all copies and all files has."""
        keks, found = self.stage.files.read(), set()
        for subject, kek_id, wrapped in self.copies:
            with suppress(KeyError, KekUnusable):
                keks[kek_id].unwrap(subject, wrapped)
                found.add(subject)
        return found

    def _rows(self, question: str) -> list[tuple[str, str, bytes]]:
        rows = self.stage.run(self.stage.world.execute(self.stage.service, question))
        return [tuple(row) for row in rows]


def test_copies_of_who_is_erased_open_no_longer_than_the_keyring_says(database: str, secrets: Path) -> None:
    with Stage(database, secrets).open() as stage:

        class Here(Certificates):
            pass

        Here.stage = stage
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=20,
                stateful_step_count=12,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
