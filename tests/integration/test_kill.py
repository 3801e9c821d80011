"""`kill -9` in the middle of an import: nothing is lost, nothing is doubled."""

from __future__ import annotations

import time
from pathlib import Path

from harness.accounting import Accounting
from harness.lists import write_list
from harness.platform import Platform, Role, importing
from homeward.client.session import Session


def kill_and_start(platform: Platform, victim: Role) -> None:
    platform.kill(victim)
    time.sleep(0.3)
    platform.start(victim)


def test_a_relay_and_a_consumer_killed_during_an_import_lose_and_double_nothing(
    platform: Platform, staff: dict[str, Session], tmp_path: Path
) -> None:
    accounting = Accounting(platform, staff, "kill-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=41, rows=600)
    victims = [("intake", "relay"), ("verification", "consume"), ("exchange", "consume")]
    with importing(staff["caseworker"], file, accounting.consents) as sending:
        for victim in victims:
            time.sleep(0.4)
            kill_and_start(platform, victim)
        imported = sending.result()
    for victim in victims:
        platform.wait_ready(victim)
    accounting.check(imported, rows=600)
