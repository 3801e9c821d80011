"""What a service stands on goes away for a while: it waits, and nothing is lost or set aside."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from harness.accounting import Accounting
from harness.lists import write_list
from harness.platform import Platform, importing
from homeward.client.session import Session


def test_the_broker_restarts_while_reports_are_accepted(
    platform: Platform, staff: dict[str, Session], tmp_path: Path
) -> None:
    accounting = Accounting(platform, staff, "broker-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=43, rows=400)
    restarting = threading.Thread(target=platform.kafka.restart)
    restarting.start()
    with importing(staff["caseworker"], file, accounting.consents) as sending:
        imported = sending.result()
    restarting.join()
    accounting.check(imported, rows=400)


def test_postgresql_restarts_in_the_middle_of_an_import(
    platform: Platform, staff: dict[str, Session], tmp_path: Path
) -> None:
    accounting = Accounting(platform, staff, "postgres-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=44, rows=400)
    with importing(staff["caseworker"], file, accounting.consents) as sending:
        time.sleep(0.5)
        platform.postgres.restart()
        imported = sending.result()
    accounting.check(imported, rows=400)


def test_the_keyring_is_away_for_a_while(
    platform: Platform, staff: dict[str, Session], tmp_path: Path
) -> None:
    accounting = Accounting(platform, staff, "keyring-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=45, rows=400)
    with importing(staff["caseworker"], file, accounting.consents) as sending:
        time.sleep(0.3)
        platform.kill(("keyring", "serve"))
        time.sleep(8)
        platform.start(("keyring", "serve"))
        imported = sending.result()
    platform.wait_ready(("keyring", "serve"))
    accounting.check(imported, rows=400)
