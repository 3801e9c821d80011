"""Deciding: what a partner may see of an event, and what changes in its feed. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from homeward.common.contracts import FieldClass

from .policies import Question

ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "operator": frozenset(
        {
            "partners:read", "partners:write", "reports:write", "persons:read", "cases:read", "consents:read",
            "subjects:erase", "operations", "decisions:read",
        }
    ),
    "caseworker": frozenset(
        {
            "reports:write", "persons:read", "cases:read", "referrals:write", "consents:read",
            "consents:write", "partners:read", "decisions:read",
        }
    ),
    "reviewer": frozenset({"persons:read", "statuses:write", "links:write", "cases:read"}),
    "auditor": frozenset({"audit:read", "decisions:read", "partners:read", "consents:read"}),
    "partner": frozenset({"events:read", "reports:write", "referrals:respond"}),
}  # fmt: skip
"""What a client of each role may ask for."""


@dataclass(frozen=True)
class Partner:
    """What policies know of a partner."""

    agency: str
    kind: str
    country: str
    data_home: str
    purposes: tuple[str, ...]
    clearance: tuple[str, ...]
    accredited: bool
    suspended: bool
    revision: int

    def principal(self) -> dict[str, Any]:
        """The Cedar entity's attributes."""
        return {
            "kind": self.kind,
            "country": self.country,
            "dataHome": self.data_home,
            "clearance": sorted(self.clearance),
            "accredited": self.accredited,
            "suspended": self.suspended,
        }


@dataclass(frozen=True)
class Consent:
    """A consent that was given; whether it holds is a matter of time."""

    recipient: str
    purpose: str
    classes: frozenset[str]
    given_by: str
    report_id: UUID | None
    expires_at: datetime | None

    def covers(self, event: "CaseEvent", now: datetime) -> bool:
        """Whether it speaks of this event: stated with a report, it covers that report and not what
        somebody else reported of the same person."""
        if self.expires_at is not None and self.expires_at <= now:
            return False
        return self.report_id is None or event.report_id is None or self.report_id == event.report_id


@dataclass(frozen=True)
class ReportFacts:
    """What policies ask of a report."""

    citizenships: tuple[str, ...]
    country: str | None
    child: bool


@dataclass(frozen=True)
class CaseEvent:
    """An event to be decided; ``report_id`` is set for a report's own event only."""

    event_id: UUID
    type: str
    report_id: UUID | None
    addressee: str | None
    classes: frozenset[FieldClass]


@dataclass(frozen=True)
class CaseFile:
    """All that visibility of one person's events depends on."""

    person_id: UUID
    revision: int
    erased: bool
    reports: Sequence[ReportFacts]
    consents: Sequence[Consent]
    restrictions: Collection[tuple[str, str]]
    """(recipient, ``hold`` or ``objection``) in force."""
    referrals: Collection[tuple[str, frozenset[str]]]
    """(agency, classes) of referrals that disclose."""

    def resource(self, agency: str, data_home: str) -> dict[str, Any]:
        """The Cedar entity's attributes, as seen by one agency."""
        citizenships = {c for report in self.reports for c in report.citizenships}
        countries = citizenships | {report.country for report in self.reports if report.country}
        return {
            "citizenships": sorted(citizenships),
            "countries": sorted(countries),
            "child": any(report.child for report in self.reports),
            "dataHome": data_home,
            "held": (agency, "hold") in self.restrictions,
            "objected": (agency, "objection") in self.restrictions,
            "erased": self.erased,
        }

    def valid_until(self, agency: str, now: datetime) -> datetime | None:
        """The earliest time at which a consent used for this agency ends."""
        ends = [c.expires_at for c in self.consents if c.recipient == agency and c.expires_at]
        return min((end for end in ends if end > now), default=None)


def question(partner: Partner, file: CaseFile, event: CaseEvent, data_home: str, now: datetime) -> Question:
    """Exactly what the policies are asked."""
    consents = [c for c in file.consents if c.recipient == partner.agency and c.covers(event, now)]
    disclosed = {name for agency, classes in file.referrals if agency == partner.agency for name in classes}
    addressee = (
        "all" if event.addressee is None else ("this" if event.addressee == partner.agency else "other")
    )
    contexts = {
        field_class: [
            {
                "class": str(field_class),
                "purpose": purpose,
                "consent": _strongest(
                    c.given_by for c in consents if c.purpose == purpose and field_class in c.classes
                ),
                "referred": str(field_class) in disclosed,
                "addressee": addressee,
            }
            for purpose in partner.purposes
        ]
        for field_class in sorted(event.classes)
    }
    return Question(partner.principal(), file.resource(partner.agency, data_home), contexts)


def _strongest(given_by: Iterable[str]) -> str:
    order = ("guardian", "self", "none_unreachable")
    given = set(given_by)
    return next((name for name in order if name in given), "none")


@dataclass(frozen=True)
class Live:
    """The newest release of an event to an agency."""

    release_id: UUID
    seq: int
    generation: int
    classes: frozenset[FieldClass]
    withdrawn: bool


@dataclass(frozen=True)
class Change:
    """What has to happen in a feed: classes lost are retracted first, then a new release may follow."""

    lost: frozenset[FieldClass]
    withdraw: bool
    """All is lost: the release becomes a tombstone."""
    release: frozenset[FieldClass]
    """Classes of a new release; empty for none."""
    generation: int
    supersedes: UUID | None


def plan(live: Live | None, wanted: frozenset[FieldClass]) -> Change | None:
    """From what an agency holds to what it may see; None if that is the same."""
    held = live.classes if live and not live.withdrawn else frozenset[FieldClass]()
    if held == wanted:
        return None
    lost, gained = held - wanted, wanted - held
    return Change(
        lost=lost,
        withdraw=bool(lost) and not wanted & held,
        release=wanted if gained else frozenset(),
        generation=(live.generation if live else 0) + 1,
        supersedes=live.release_id if live and held & wanted and gained else None,
    )


def is_child(date_of_birth: str | None, age: int | None, on: date) -> bool:
    """Whether a report speaks of a child (under 18 on that day, by anything it says)."""
    if age is not None and age < 18:
        return True
    if not date_of_birth:
        return False
    parts = [int(part) for part in date_of_birth.split("-")]
    # An unknown month or day is taken as the latest possible: a child is never missed.
    year, month, day = (*parts, 12, 31)[:3] if len(parts) != 2 else (*parts, 31)
    return (on.year, on.month, on.day) < (year + 18, month, day)
