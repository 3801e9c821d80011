"""`kill -9` of anything, at any moment of an import: nothing is lost, nothing is doubled."""

from __future__ import annotations

import random
import time
from pathlib import Path
from threading import Event

import pytest

from harness.accounting import Accounting
from harness.lists import write_list
from harness.platform import Platform, Role, importing
from homeward.client import lists
from homeward.client.session import Session

KILLS = 20
ROWS = 2_000


def test_twenty_kills_within_an_import_lose_and_double_nothing(
    platform: Platform, staff: dict[str, Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every relay and consumer, and API processes, each as some part of the list is on its way."""
    monkeypatch.setattr(lists, "PART", 100)  # more moments at which to be hit
    accounting = Accounting(platform, staff, "kill-test-ngo")
    killer = Killer(platform, random.Random(41))
    file = write_list(tmp_path / "list.csv", seed=41, rows=ROWS)
    with importing(staff["caseworker"], file, accounting.consents, progress=killer.keep_up) as sending:
        killer.run()
        imported = sending.result()
    for role in platform.roles:
        platform.wait_ready(role)
    accounting.check(imported, rows=ROWS)


class Killer:
    """Kills role after role while a list is on its way; neither gets ahead of the other."""

    def __init__(self, platform: Platform, chance: random.Random) -> None:
        self._platform = platform
        self._chance = chance
        roles = [role for role in platform.roles if role[1] != "serve"]
        apis = [role for role in platform.roles if role[1] == "serve"]
        self._victims = chance.sample(roles, len(roles)) + chance.choices(apis, k=KILLS - len(roles))
        chance.shuffle(self._victims)
        self._killed = 0
        self._done_share = 0.0
        self._moved = Event()

    def run(self) -> None:
        """All kills, each at a random moment of its share of the import."""
        for number, victim in enumerate(self._victims):
            self._wait_until_share(number / KILLS)
            time.sleep(self._chance.uniform(0, 0.4))
            self._kill_and_start(victim)
            self._killed += 1

    def keep_up(self, done: int, total: int) -> None:
        """A part of the list is in. The next waits for the kills that are due by now."""
        self._done_share = done / total
        self._moved.set()
        deadline = time.monotonic() + 60
        while self._killed < int(KILLS * done / total) - 1 and time.monotonic() < deadline:
            time.sleep(0.02)

    def _wait_until_share(self, share: float) -> None:
        deadline = time.monotonic() + 120
        while self._done_share < share and time.monotonic() < deadline:
            self._moved.wait(0.1)
            self._moved.clear()

    def _kill_and_start(self, victim: Role) -> None:
        self._platform.kill(victim)
        time.sleep(0.2)
        self._platform.start(victim)
