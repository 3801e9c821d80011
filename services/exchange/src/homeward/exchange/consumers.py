"""What exchange does about events of others: it keeps the facts, then decides once per person.

Handlers only note what a batch says; :func:`finishing` writes it in a few statements and decides.
"""

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from homeward.common.contracts import (
    CaseClosed,
    CaseOpened,
    Event,
    FieldClass,
    HoldPlaced,
    ObjectionRaised,
    PersonRegistered,
    ReferralAccepted,
    ReferralCompleted,
    ReferralOpened,
    ReferralRejected,
    ReferralRevoked,
    ReportLinked,
    ReportReceived,
    ReportUnlinked,
    StatusAsserted,
    SubjectErased,
)
from homeward.common.ids import derived_id
from homeward.common.keys import Erased
from homeward.common.parts import Handler
from homeward.common.tx import Incoming, Tx

from .decide import decide_persons
from .domain import Arrival, CaseEvent, is_child, order_of
from .judge import Judge
from .store import cases, facts, register


@dataclass(frozen=True)
class _Link:
    """That a report is about a person, and how new that is."""

    person_id: UUID
    order: tuple[int, int]


@dataclass
class _Noted:
    """What a batch says, until it is written."""

    arrivals: list[Arrival] = field(default_factory=list)
    facts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    links: list[tuple[UUID, _Link]] = field(default_factory=list)
    """By report."""
    consents: list[dict[str, Any]] = field(default_factory=list)
    referrals: list[dict[str, Any]] = field(default_factory=list)
    erased: dict[UUID, datetime] = field(default_factory=dict)
    touched: dict[UUID, str | None] = field(default_factory=dict)
    """Persons, with the trace of what touched them."""


async def prepare(_: Sequence[Incoming], tx: Tx) -> None:
    """Start a batch."""
    tx.scratch["noted"] = _Noted()


def _noted(tx: Tx) -> _Noted:
    noted: _Noted = tx.scratch["noted"]
    return noted


def _keep(
    tx: Tx,
    *,
    person_id: UUID | None = None,
    report_id: UUID | None = None,
    reporter_id: UUID | None = None,
    addressee: str | None = None,
) -> None:
    incoming = tx.handled
    envelope, classes = incoming.envelope, incoming.sealed.classes - {FieldClass.PROTECTION}
    event = CaseEvent(
        envelope.id, envelope.type, report_id, addressee, classes, traceparent=envelope.traceparent
    )
    _noted(tx).arrivals.append(Arrival(event, person_id, reporter_id, incoming.sealed.value))
    if person_id is not None:
        _noted(tx).touched[person_id] = envelope.traceparent


async def on_report_received(event: ReportReceived, tx: Tx) -> None:
    """Keep it, and the consents stated with it; released once its person is known. One whose own keys
    are destroyed is about nobody any more; its reporter's may be, and the report still stands."""
    if await _is_destroyed(event, tx):
        return
    _keep(tx, report_id=event.report_id, reporter_id=event.reporter_id)
    _noted(tx).facts[event.report_id] = {
        "report_id": event.report_id,
        "reporter_id": event.reporter_id,
        "citizenships": [c for c in event.citizenship or () if re.fullmatch("[A-Z]{3}", c)],
        "country": event.last_known_country,
        "child": is_child(
            event.date_of_birth, event.age, event.received_at.date(), (event.unreadable or {}).keys()
        ),
    }
    for number, stated in enumerate(event.consents or ()):
        _noted(tx).consents.append(
            {
                "consent_id": derived_id(event.report_id, f"consent|{number}"),
                "report_id": event.report_id,
                "recipient": stated.recipient,
                "purpose": stated.purpose,
                "classes": sorted(stated.classes),
                "given_by": stated.given_by,
                "obtained_at": event.received_at,
                "expires_at": _with_zone(stated.expires_at),
            }
        )


async def _is_destroyed(event: ReportReceived, tx: Tx) -> bool:
    incoming, subject = tx.handled, str(event.report_id)
    if not incoming.erased and subject in incoming.sealed.subjects:
        return False
    return isinstance((await tx.keys([subject])).get(subject), Erased)


def _with_zone(at: datetime | None) -> datetime | None:
    """A time stated without a zone is taken as UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


async def on_person_registered(event: PersonRegistered, tx: Tx) -> None:
    """A report has a person now."""
    _link(event.report_id, event.person_id, event.person_id, tx)


async def on_report_linked(event: ReportLinked, tx: Tx) -> None:
    """A further report of a person."""
    _link(event.report_id, event.person_id, event.person_id, tx)


async def on_report_unlinked(event: ReportUnlinked, tx: Tx) -> None:
    """The report is somebody else's; both are decided again."""
    _link(event.report_id, event.new_person_id, event.person_id, tx)


def _link(report_id: UUID, about: UUID, said_of: UUID, tx: Tx) -> None:
    """Note whom a report is about, and how new that is: links of one report come on the streams of
    several persons, so in any order."""
    _keep(tx, person_id=said_of, report_id=report_id)
    envelope = tx.handled.envelope
    link = _Link(about, order_of(envelope.source, envelope.sequence))
    _noted(tx).links.append((report_id, link))


async def on_case_event(event: CaseOpened | CaseClosed | StatusAsserted, tx: Tx) -> None:
    """An event about a person that all who may see the person may see."""
    _keep(tx, person_id=event.person_id)


async def on_referral_opened(event: ReferralOpened, tx: Tx) -> None:
    """The receiver may see the classes it names."""
    _keep(tx, person_id=event.person_id, addressee=event.receiving_agency)
    _noted(tx).referrals.append(_referral(event, event.classes, is_open=True))


def _referral_moved(is_open: bool) -> Callable[[Any, Tx], Coroutine[Any, Any, None]]:
    async def on_moved(event: Any, tx: Tx) -> None:
        _keep(tx, person_id=event.person_id, addressee=event.receiving_agency)
        _noted(tx).referrals.append(_referral(event, (), is_open=is_open))

    return on_moved


def _referral(event: Any, classes: Sequence[FieldClass], *, is_open: bool) -> dict[str, Any]:
    return {
        "referral_id": event.referral_id,
        "person_id": event.person_id,
        "agency": event.receiving_agency,
        "classes": sorted(set(classes) - {FieldClass.PROTECTION}),
        "open": is_open,
    }


async def on_subject_erased(event: SubjectErased, tx: Tx) -> None:
    """Nothing of the person goes to anybody; all who had something are told. The subjects are persons,
    reports and reporters alike: an id is only one of them."""
    noted = _noted(tx)
    for subject in event.subjects:
        if ":" not in subject:  # service:<name> is nobody's
            noted.erased[UUID(subject)] = event.erased_at
    if event.person_id is not None:
        noted.erased[event.person_id] = event.erased_at
        noted.touched.setdefault(event.person_id, tx.handled.envelope.traceparent)


def finishing(judge: Judge) -> Callable[[Tx], Coroutine[Any, Any, None]]:
    """The batch's end: lock reports, then persons; write what was noted; decide."""

    async def finish(tx: Tx) -> None:
        noted = _noted(tx)
        concerned = {one.event.report_id for one in noted.arrivals if one.event.report_id}
        concerned |= await facts.reports_under(tx.db, noted.erased.keys())
        known = await facts.lock_reports(tx.db, concerned)
        newest = _newest(noted.links, known)
        changed = {link.person_id for link in newest.values()}
        changed |= {row.person_id for row in known.values() if row.person_id}
        changed |= {row["person_id"] for row in noted.referrals}
        changed |= await facts.persons_under(tx.db, noted.erased.keys())
        persons = changed | noted.touched.keys()
        await facts.add_persons(tx.db, persons)
        await cases.lock(tx.db, persons)
        # An event that states no fact changes nothing about the others: what stands of them still rests.
        await cases.revise(tx.db, changed)
        _name_persons(noted, newest, known)
        await _write(noted, newest, tx)
        once = [(known[report_id].person_id, link.person_id) for report_id, link in newest.items()]
        once += [(link.person_id, newest[report_id].person_id) for report_id, link in noted.links]
        await _carry_restrictions(once, tx)
        await facts.name_persons(tx.db, newest.keys())
        await decide_persons(persons, tx, judge, noted.touched, noted.arrivals)

    return finish


def _newest(links: Sequence[tuple[UUID, _Link]], known: Mapping[UUID, Any]) -> dict[UUID, _Link]:
    """Of each report that links speak of, the newest there is: among them, or known before."""
    newest: dict[UUID, _Link] = {}
    for report_id, link in links:
        row = known[report_id]
        if report_id not in newest and row.person_id is not None:
            newest[report_id] = _Link(row.person_id, (row.link_epoch, row.link_sequence))
        if report_id not in newest or link.order > newest[report_id].order:
            newest[report_id] = link
    return newest


def _name_persons(noted: _Noted, newest: Mapping[UUID, _Link], known: Mapping[UUID, Any]) -> None:
    """Give each report's own event the person whom the report is about, if that is known."""
    for one in noted.arrivals:
        if one.reporter_id is not None and (report_id := one.event.report_id) is not None:
            link = newest.get(report_id)
            one.person_id = link.person_id if link else known[report_id].person_id


async def _write(noted: _Noted, newest: Mapping[UUID, _Link], tx: Tx) -> None:
    await facts.erase(tx.db, noted.erased)
    await facts.put_facts(tx.db, list(noted.facts.values()))
    rows = [
        {
            "report_id": report_id,
            "person_id": link.person_id,
            "link_epoch": link.order[0],
            "link_sequence": link.order[1],
        }
        for report_id, link in sorted(newest.items())
    ]
    await facts.put_links(tx.db, rows)
    await register.add_consents(tx.db, noted.consents)
    await facts.add_referrals(tx.db, noted.referrals)


async def _carry_restrictions(once: Iterable[tuple[UUID | None, UUID]], tx: Tx) -> None:
    """A hold or objection against the person that a report was once said to be about follows it to whom
    it is about now: it may have been meant for them, and lifting it is for people to decide."""
    moved = sorted({(before, after) for before, after in once if before is not None and before != after})
    for row in await register.carry_restrictions(tx.db, moved, tx.now):
        event = HoldPlaced if row.kind == "hold" else ObjectionRaised
        tx.emit(event(person_id=row.person_id, recipient=row.recipient))


CONSUMERS: Mapping[type[Event], Handler] = {
    ReportReceived: on_report_received,
    PersonRegistered: on_person_registered,
    ReportLinked: on_report_linked,
    ReportUnlinked: on_report_unlinked,
    StatusAsserted: on_case_event,
    CaseOpened: on_case_event,
    CaseClosed: on_case_event,
    ReferralOpened: on_referral_opened,
    ReferralAccepted: _referral_moved(is_open=True),
    ReferralCompleted: _referral_moved(is_open=True),
    ReferralRejected: _referral_moved(is_open=False),
    ReferralRevoked: _referral_moved(is_open=False),
    SubjectErased: on_subject_erased,
}
