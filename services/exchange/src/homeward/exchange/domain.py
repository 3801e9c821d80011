"""Deciding: what a partner may see of an event, and what changes in its feed. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from homeward.common.contracts import FieldClass, ReportReceived

from .policies import Asking, Principal, Question, Resource

ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "operator": frozenset(
        {
            "partners:read", "partners:write", "reports:write", "persons:read", "cases:read", "consents:read",
            "subjects:erase", "operations", "decisions:read", "policies:read", "policies:write",
        }
    ),
    "caseworker": frozenset(
        {
            "reports:write", "persons:read", "cases:read", "referrals:write", "consents:read",
            "consents:write", "partners:read", "decisions:read",
        }
    ),
    "reviewer": frozenset({"persons:read", "statuses:write", "links:write", "cases:read"}),
    "auditor": frozenset(
        {"audit:read", "decisions:read", "partners:read", "consents:read", "policies:read"}
    ),
    "partner": frozenset(
        {
            "events:read", "decisions:read", "reports:write", "referrals:respond", "webhooks:write",
            "keys:write",
        }
    ),
}  # fmt: skip
"""What a client of each role may ask for."""

_GOVERNMENT = frozenset(
    {
        "LawEnforcement", "CentralGovernmentOrganisation", "LocalGovernmentOrganisation",
        "ImmigrationService",
    }
)  # fmt: skip
_NON_PUNISHMENT = (
    "Victims of trafficking are not to be punished for unlawful acts they committed as a direct result "
    "of being trafficked (ACTIP 14(7))."
)


@lru_cache(maxsize=10_000)
def _field_classes(names: tuple[str, ...]) -> frozenset[FieldClass]:
    return frozenset(FieldClass(name) for name in names)


def field_classes(names: Iterable[str]) -> frozenset[FieldClass]:
    """The classes of these names; remembered, since few combinations occur."""
    return _field_classes(tuple(names))


@lru_cache(maxsize=10_000)
def in_order(classes: frozenset[FieldClass]) -> tuple[FieldClass, ...]:
    """The classes as they are written down."""
    return tuple(sorted(classes))


def notice_for(kind: str) -> str | None:
    """What every release to a partner of this kind must say beside its content."""
    return _NON_PUNISHMENT if kind in _GOVERNMENT else None


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
    sandbox: bool = False
    leaving: bool = False

    def principal(self) -> Principal:
        """The partner as policies see it."""
        return Principal(
            self.kind,
            self.country,
            self.data_home,
            tuple(sorted(self.clearance)),
            self.accredited,
            self.suspended,
            self.sandbox,
            self.leaving,
        )


Given = tuple[str, str, frozenset[str], str]
"""What policies ask of a consent: recipient, purpose, classes and by whom it was given."""


class Consent(NamedTuple):
    """A consent that was given; whether it holds is a matter of time."""

    recipient: str
    purpose: str
    classes: frozenset[str]
    given_by: str
    report_id: UUID | None
    expires_at: datetime | None

    def covers(self, event: "CaseEvent", now: datetime) -> bool:
        """Whether it speaks of this event: stated with a report, it covers that report and the person's
        case, and not what somebody else reported of the same person."""
        if self.expires_at is not None and self.expires_at <= now:
            return False
        return self.report_id is None or event.report_id is None or self.report_id == event.report_id


class ReportFacts(NamedTuple):
    """What policies ask of a report."""

    citizenships: tuple[str, ...]
    country: str | None
    child: bool


class CaseEvent(NamedTuple):
    """An event to be decided."""

    event_id: UUID
    type: str
    report_id: UUID | None
    """The report it speaks of: the report's own event, and those that link it to a person."""
    addressee: str | None
    classes: frozenset[FieldClass]
    erased: bool = False
    """Whether the report's own keys were destroyed."""
    told: frozenset[str] = frozenset()
    """The agencies for which a decision about it was recorded."""
    traceparent: str | None = None

    def without(self, *, report: bool, reporter: bool) -> "CaseEvent":
        """What of it is left when the keys of its report, or of who made that, are destroyed."""
        left = self.classes
        if reporter and self.type == ReportReceived.TYPE:
            left = left - _REPORTERS_CLASSES
        return self._replace(classes=left, erased=report) if report or reporter else self


_REPORTERS_CLASSES = frozenset(c for c, key in ReportReceived.ALSO_KEYED_BY.items() if key == "reporter_id")


@dataclass
class Arrival:
    """An event that has just come: to be decided, and kept."""

    event: CaseEvent
    person_id: UUID | None
    """Whom it is about, if that is known."""
    reporter_id: UUID | None
    """Who made the report, if it is one."""
    value: bytes


class CaseFile(NamedTuple):
    """All that visibility of one person's events depends on."""

    person_id: UUID
    revision: int
    erased: bool
    reports: Sequence[ReportFacts]
    consents: Sequence[Consent]
    restrictions: Collection[tuple[str, str]]
    """(recipient, ``hold`` or ``objection``) in force."""
    referrals: Sequence[tuple[str, frozenset[str]]]
    """(agency, classes) of referrals that disclose."""
    synthetic: bool = False
    """Made up, for partners that try out."""

    def valid_until(self, agency: str, now: datetime) -> datetime | None:
        """The earliest time at which a consent that may be in use for this agency ends."""
        ends = [c.expires_at for c in self.consents if c.recipient == agency and c.expires_at]
        return min((end for end in ends if end > now), default=None)


class Situation(NamedTuple):
    """All that policies may be asked about when an event is decided: what is alike is decided alike."""

    reports: tuple[ReportFacts, ...]
    consents: tuple[Given, ...]
    """Those in force that speak of the event."""
    restrictions: frozenset[tuple[str, str]]
    referrals: tuple[tuple[str, frozenset[str]], ...]
    erased: bool
    classes: frozenset[FieldClass]
    addressee: str | None
    synthetic: bool = False

    def resource(self, agency: str, data_home: str) -> Resource:
        """The case as policies see it for one agency."""
        citizenships = {c for report in self.reports for c in report.citizenships}
        countries = citizenships | {report.country for report in self.reports if report.country}
        return Resource(
            citizenships=tuple(sorted(citizenships)),
            countries=tuple(sorted(countries)),
            child=any(report.child for report in self.reports),
            data_home=data_home,
            held=(agency, "hold") in self.restrictions,
            objected=(agency, "objection") in self.restrictions,
            erased=self.erased,
            synthetic=self.synthetic,
        )


def situation(file: CaseFile, event: CaseEvent, now: datetime) -> Situation:
    """The situation of an event of this person."""
    return Situation(
        tuple(file.reports),
        tuple([c[:4] for c in file.consents if c.covers(event, now)]),
        frozenset(file.restrictions),
        tuple(file.referrals),
        file.erased or event.erased,
        event.classes,
        event.addressee,
        file.synthetic,
    )


def question(partner: Partner, about: Situation, data_home: str) -> Question:
    """Exactly what the policies are asked."""
    agency = partner.agency
    given = _strongest([consent for consent in about.consents if consent[0] == agency])
    disclosed = {name for to, classes in about.referrals if to == agency for name in classes}
    addressee = "all" if about.addressee is None else ("this" if about.addressee == agency else "other")
    askings = tuple(
        Asking(c, purpose, given.get((purpose, c), "none"), c in disclosed, addressee)
        for c in in_order(about.classes)
        for purpose in partner.purposes
    )
    return Question(partner.principal(), about.resource(agency, data_home), askings)


_WEAK_TO_STRONG = ("none_unreachable", "self", "guardian")


def _strongest(consents: Sequence[Given]) -> dict[tuple[str, str], str]:
    """By purpose and class: who consented."""
    ordered = sorted(consents, key=lambda consent: _WEAK_TO_STRONG.index(consent[3]))
    return {(purpose, name): by for _, purpose, classes, by in ordered for name in classes}


class Basis(NamedTuple):
    """What a release was confirmed by, and until when that is good."""

    case_revision: int
    partner_revision: int
    policy_digest: str
    valid_until: datetime | None


class Live(NamedTuple):
    """The newest release of an event to an agency."""

    release_id: UUID
    seq: int
    generation: int
    classes: frozenset[FieldClass]
    withdrawn: bool
    person_id: UUID
    """Of whom the agency was told it speaks."""
    snapshot: str
    """What was asked when it was decided."""
    basis: Basis | None = None
    before: tuple["Live", ...] = ()
    """What it superseded: whoever has not read it yet may still hold that."""


class Change(NamedTuple):
    """What has to happen in a feed: classes lost are retracted first, then a new release may follow."""

    lost: frozenset[FieldClass]
    withdraw: bool
    """All is lost: the release becomes a tombstone."""
    release: frozenset[FieldClass]
    """Classes of a new release; empty for none."""
    generation: int
    supersedes: UUID | None


_NOTHING: frozenset[FieldClass] = frozenset()


def plan(live: Live | None, wanted: frozenset[FieldClass], *, moved: bool = False) -> Change | None:
    """From what an agency holds to what it may see; None if that is the same. What ``moved`` to another
    person is taken back whole, and told anew of whom it is about."""
    held = live.classes if live and not live.withdrawn else _NOTHING
    if held == wanted and not moved:
        return None
    kept = _NOTHING if moved else held & wanted
    lost, gained = held - kept, wanted - kept
    if not lost and not gained:
        return None
    return Change(
        lost=lost,
        withdraw=bool(lost) and not kept,
        release=wanted if gained else _NOTHING,
        generation=(live.generation if live else 0) + 1,
        supersedes=live.release_id if live and kept and gained else None,
    )


def is_child(date_of_birth: str | None, age: int | None, on: date, unreadable: Collection[str] = ()) -> bool:
    """Whether a report speaks of a child: under 18 on that day by anything it says, or for all that can
    be read of what it says (``unreadable`` names the fields that could not be)."""
    if age is not None and age < 18:
        return True
    born = _latest_birthday(date_of_birth) if date_of_birth else None
    if born is not None:
        year, month, day = born
        return (on.year, on.month, on.day) < (year + 18, month, day)
    in_doubt = bool(date_of_birth) or not {"age", "date_of_birth"}.isdisjoint(unreadable)
    return in_doubt and age is None


def _latest_birthday(written: str) -> tuple[int, int, int] | None:
    """Year, month and day of ``YYYY[-MM[-DD]]``; what is not known is taken as the latest possible. None
    if it is no such date."""
    try:
        parts = [int(part) for part in written.split("-")]
    except ValueError:
        return None
    if not 1 <= len(parts) <= 3:
        return None
    return (parts[0], parts[1] if len(parts) > 1 else 12, parts[2] if len(parts) > 2 else 31)


def order_of(source: str, sequence: int) -> tuple[int, int]:
    """Where an event stands among all of its service: by epoch, then by sequence."""
    return int(source.rpartition("/")[2]), sequence
