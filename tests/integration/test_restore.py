"""A service's database is restored from an older backup, behind everything the service has said since."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.lists import write_list
from harness.platform import ROLES, Platform
from homeward.client.lists import send_list
from homeward.client.session import Refused, Session
from homeward.onebox.demo.partners import CONSENTS, PartnerFeed
from homeward.onebox.demo.settling import settle

Staff = dict[str, Session]
RESTORED = ("intake", "verification", "referral", "exchange")
RECEIVED, OPENED = "homeward.report.received.v1", "homeward.case.opened.v1"


class Backups:
    """Copies of services' databases, taken and put back while the service is stopped."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def take(self, *services: str) -> None:
        with _stopped(self._platform, *services):
            for service in services:
                self._platform.postgres.create_database(f"backup_{service}", template=f"platform_{service}")

    def put_back(self, service: str) -> None:
        with _stopped(self._platform, service):
            self._platform.postgres.drop_database(f"platform_{service}")
            self._platform.postgres.create_database(f"platform_{service}", template=f"backup_{service}")

    def drop(self) -> None:
        for service in RESTORED:
            self._platform.postgres.drop_database(f"backup_{service}")


@contextmanager
def _stopped(platform: Platform, *services: str) -> Iterator[None]:
    roles = [(service, role) for service in services for role in ROLES[service]]
    for role in roles:
        platform.stop(role)
    yield
    for role in roles:
        platform.start(role)
    for role in roles:
        platform.wait_ready(role)


@pytest.fixture
def backups(platform: Platform) -> Iterator[Backups]:
    backups = Backups(platform)
    yield backups
    backups.drop()


class Outside:
    """What can be seen of the platform from outside, and must be as it was."""

    def __init__(self, staff: Staff, partner: PartnerFeed, imported: list[dict[str, Any]]) -> None:
        self._staff = staff
        self._partner = partner
        self._reports = [one["report_id"] for one in imported if one["outcome"] == "accepted"]

    def persons(self) -> list[str]:
        """Whom the reports of the second list are about."""
        found = [self._staff["operator"].get("/v1/persons", report_id=one) for one in self._reports[:40]]
        return list(dict.fromkeys(one["persons"][0]["person_id"] for one in found))

    def look(self) -> dict[str, Any]:
        """By what it is of: the counts, each report's person and case, what the partner was shown."""
        operator, caseworker = self._staff["operator"], self._staff["caseworker"]
        persons = {}
        for report_id in self._reports[:40]:
            [person] = operator.get("/v1/persons", report_id=report_id)["persons"]
            [case] = caseworker.get("/v1/cases", person_id=person["person_id"])["cases"]
            persons[f"person and case of {report_id}"] = (person, case)
        feed = PartnerFeed(self._partner.profile, self._partner.session)
        feed.pull()
        assert [int(e["sequence"]) for e in feed.events] == list(range(1, len(feed.events) + 1))
        shown = [e for e in feed.events if "classes" in e["data"]]
        return {
            "counts": operator.get("/v1/counts"),
            **persons,
            "received": sorted(self._named(shown, RECEIVED, "report_id")),
            "cases": sorted(self._named(shown, OPENED, "case_id")),
        }

    @staticmethod
    def _named(shown: list[dict[str, Any]], kind: str, name: str) -> list[str]:
        return [e["data"]["classes"]["envelope"][name] for e in shown if e["type"] == kind]


def until_read_again(operator: Session, service: str, epoch: int) -> None:
    deadline = time.monotonic() + 60
    while operator.get(f"/v1/{service}/outbox")["epoch"] != epoch:
        assert time.monotonic() < deadline, f"{service} does not notice that it was set back"
        time.sleep(0.2)


def test_an_older_database_behind_its_topic_loses_and_doubles_nothing(
    staff: Staff, backups: Backups, ngo: Callable[[str], PartnerFeed], tmp_path: Path
) -> None:
    operator, caseworker, auditor = staff["operator"], staff["caseworker"], staff["auditor"]
    partner = ngo("restore-ngo")
    consents = [{**CONSENTS[-1], "recipient": "restore-ngo"}]
    first = write_list(tmp_path / "first.csv", seed=71, rows=60)
    send_list(caseworker, first, list_name="first", consents=consents)
    settle(operator, auditor)
    backups.take(*RESTORED)

    # What the backups know nothing of.
    second = write_list(tmp_path / "second.csv", seed=72, rows=100)
    imported = send_list(caseworker, second, list_name="second", consents=consents)
    late = ngo("late-ngo")
    settle(operator, auditor)
    outside = Outside(staff, partner, imported.results)
    withdrawn, held, referred, asserted = outside.persons()[:4]
    caseworker.post("/v1/consents/withdrawals", {"person_id": withdrawn})
    caseworker.post("/v1/holds", {"person_id": held, "recipient": "restore-ngo"})
    [case] = caseworker.get("/v1/cases", person_id=referred)["cases"]
    caseworker.post(
        f"/v1/cases/{case['case_id']}/referrals",
        {"receiving_agency": "late-ngo", "services": ["shelter"], "priority": "24h", "classes": ["envelope"]},
    )
    staff["reviewer"].post(
        f"/v1/persons/{asserted}/statuses",
        {"trafficking_status": "PossibleVictimOfTrafficking", "deciding_organisation": "NGO"},
    )
    settle(operator, auditor)
    partner.pull()
    before = outside.look()

    for service in RESTORED:
        epoch = operator.get(f"/v1/{service}/outbox")["epoch"]
        backups.put_back(service)
        until_read_again(operator, service, epoch + 1)
        settle(operator, auditor)
        assert operator.get(f"/v1/{service}/dead-letters")["dead_letters"] == []
        now = outside.look()
        assert {what: (before[what], now[what]) for what in before if now[what] != before[what]} == {}, (
            service
        )

    again = send_list(caseworker, second, list_name="second", consents=consents)
    assert (again.accepted, again.already_imported) == (0, imported.accepted)
    with pytest.raises(Refused) as refused:
        partner.pull()
    assert (refused.value.status, refused.value.problem["type"]) == (410, "/problems/feed-restored")
    late.pull()
    settle(operator, auditor)
    history = auditor.get("/v1/audit/completeness")
    assert history["complete"]
