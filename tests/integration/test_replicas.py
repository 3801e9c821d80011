"""Two replicas of every role: they share the work and do none of it twice; when one dies the other
takes over at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.accounting import RECEIVED, Accounting
from harness.lists import write_list
from harness.platform import Platform, Role
from homeward.client import lists
from homeward.client.lists import send_list
from homeward.client.session import Session
from homeward.onebox.demo.settling import settle

TAKE_OVER_SECONDS = 10.0
CONSUMING = ("verification", "referral", "exchange")
"""What consumes many streams, and so has work for two."""


@pytest.fixture
def first_ones(platform: Platform) -> Iterator[list[Role]]:
    """The platform's own roles, each with a second replica beside it; whoever is missing afterwards is
    started again."""
    roles = platform.roles
    seconds = [(service, f"{role}#2") for service, role in roles]
    for second in seconds:
        platform.start(second)
    for second in seconds:
        platform.wait_ready(second)
    yield roles
    for role in roles:
        if not platform.runs(role):
            platform.start(role)
            platform.wait_ready(role)
    for second in seconds:
        platform.stop(second)


def test_they_share_the_work_and_one_takes_over_when_the_other_dies(
    platform: Platform,
    first_ones: list[Role],
    staff: dict[str, Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "PART", 50)
    accounting = Accounting(platform, staff, "replica-test-ngo")
    settle(staff["operator"], staff["auditor"])
    before = {role: work(platform, role) for role in everyone(first_ones)}
    file = write_list(tmp_path / "list.csv", seed=61, rows=600)
    imported = send_list(staff["caseworker"], file, list_name="replicas", consents=accounting.consents)
    settle(staff["operator"], staff["auditor"])
    done = {role: work(platform, role) - before[role] for role in everyone(first_ones)}
    idle = [role for role, much in done.items() if role[0] in CONSUMING and not much]
    assert not [role for role in idle if role[1].startswith("consume")], "nobody starves"
    assert not [role for role in idle if role[1].startswith("serve")], "nor is left unasked"

    for role in first_ones:
        platform.kill(role)
    killed = time.monotonic()
    report = {"full_name": "Late Synthetic", "consents": accounting.consents}
    accepted = staff["caseworker"].post("/v1/reports", report)["results"]
    while accounting.heard_of(RECEIVED) <= imported.accepted:
        assert time.monotonic() - killed < 60, "nobody takes over"
        time.sleep(0.1)
    assert time.monotonic() - killed < TAKE_OVER_SECONDS
    imported.add(
        {"rows": 1, "accepted": 1, "already_imported": 0, "rejected": 0, "errors": [], "results": accepted}
    )
    accounting.check(imported, rows=601)


def everyone(first_ones: list[Role]) -> list[Role]:
    return [*first_ones, *((service, f"{role}#2") for service, role in first_ones)]


def work(platform: Platform, role: Role) -> float:
    """Events that a consumer has handled, or requests that an API has answered (probes do not count)."""
    text = httpx.get(platform.url_of(role) + "/metrics", trust_env=False).text
    counted = (
        r'homeward_(?:consumed_total\{|http_request_seconds_count\{[^}]*route="/(?:v1|log)).*\} ([0-9.e+]+)$'
    )
    return sum(float(number) for number in re.findall(counted, text, re.MULTILINE))
