"""What the platform stands on goes away and comes back: whoever reports is served or told so, and nothing
is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from harness.accounting import Accounting
from harness.lists import write_list
from harness.platform import Platform, importing
from homeward.client import lists
from homeward.client.lists import send_list
from homeward.client.session import Session, Unreachable

Staff = dict[str, Session]
ROWS = 300


def test_a_minute_without_kafka(platform: Platform, staff: Staff, tmp_path: Path) -> None:
    """Reports are accepted all the while; they go out when it is back."""
    accounting = Accounting(platform, staff, "kafka-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=51, rows=ROWS)
    platform.kafka.kill()
    gone = time.monotonic()
    try:
        imported = send_list(staff["caseworker"], file, list_name="kafka", consents=accounting.consents)
        assert imported.accepted > ROWS * 0.9
        assert time.monotonic() - gone < 50, "accepted while it was away"
        assert readiness(platform, "intake", "serve") == (200, [])
        assert readiness(platform, "intake", "relay") == (503, ["broker"])
        time.sleep(max(0.0, gone + 60 - time.monotonic()))
    finally:
        platform.kafka.restart()
    accounting.check(imported, rows=ROWS)


def test_thirty_seconds_without_the_keyring(platform: Platform, staff: Staff, tmp_path: Path) -> None:
    """Nothing can be sealed: reports are refused, to be sent again; no record is set aside for it."""
    accounting = Accounting(platform, staff, "keyring-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=52, rows=ROWS)
    keyring = ("keyring", "serve")
    platform.kill(keyring)
    try:
        with pytest.raises(Unreachable):
            staff["caseworker"].post("/v1/reports", {"full_name": "Synthetic Person"})
        with importing(staff["caseworker"], file, accounting.consents) as sending:
            time.sleep(30)
            assert not sending.done(), "nothing is accepted that could not be sealed"
            platform.start(keyring)
            imported = sending.result()
    finally:
        if not platform.runs(keyring):
            platform.start(keyring)
    platform.wait_ready(keyring)
    accounting.check(imported, rows=ROWS)


def crash(platform: Platform) -> None:
    platform.postgres.kill()
    platform.postgres.restart()


RESTARTS: dict[str, Callable[[Platform], None]] = {
    "Kafka restarted": lambda platform: platform.kafka.restart(),
    "PostgreSQL restarted": lambda platform: platform.postgres.restart(),
    "PostgreSQL crashed": crash,
}


def test_restarts_within_an_import(
    platform: Platform, staff: Staff, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PART", 25)
    accounting = Accounting(platform, staff, "restart-test-ngo")
    file = write_list(tmp_path / "list.csv", seed=53, rows=ROWS)
    with importing(staff["caseworker"], file, accounting.consents) as sending:
        for restart in RESTARTS.values():
            time.sleep(0.3)
            restart(platform)
        imported = sending.result()
    for role in platform.roles:
        platform.wait_ready(role)
    accounting.check(imported, rows=ROWS)


def readiness(platform: Platform, service: str, role: str) -> tuple[int, list[str]]:
    answer = httpx.get(platform.url_of((service, role)) + "/readyz", timeout=30, trust_env=False)
    return answer.status_code, answer.json()["waiting_for"]
