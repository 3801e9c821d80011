"""What exchange does about events of others: it keeps the facts, then decides once per person.

Handlers only note what a batch says; :func:`finish` writes it in a few statements and decides.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from homeward.common.contracts import (
    CaseClosed,
    CaseOpened,
    Event,
    FieldClass,
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
from homeward.common.ids import new_id
from homeward.common.parts import Handler
from homeward.common.tx import Incoming, Tx

from .decide import Judge, decide_persons
from .domain import is_child
from .store import cases, register


@dataclass
class _Noted:
    """What a batch says, until :func:`finish` writes it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    reports: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    consents: list[dict[str, Any]] = field(default_factory=list)
    referrals: list[dict[str, Any]] = field(default_factory=list)
    erased: list[UUID] = field(default_factory=list)
    touched: dict[UUID, str | None] = field(default_factory=dict)
    traces: dict[UUID, str | None] = field(default_factory=dict)

    def report(self, report_id: UUID) -> dict[str, Any]:
        """What is known of a report, to be filled in."""
        empty = {"person_id": None, "citizenships": None, "country": None, "child": None}
        return self.reports.setdefault(report_id, {"report_id": report_id, **empty})


async def prepare(_: Sequence[Incoming], tx: Tx) -> None:
    """Start a batch."""
    tx.scratch["noted"] = _Noted()


def _noted(tx: Tx) -> _Noted:
    noted: _Noted = tx.scratch["noted"]
    return noted


def _keep(
    tx: Tx, *, person_id: UUID | None = None, report_id: UUID | None = None, addressee: str | None = None
) -> None:
    incoming = tx.incoming
    assert incoming is not None
    _noted(tx).events.append(
        {
            "event_id": incoming.envelope.id,
            "type": incoming.envelope.type,
            "person_id": person_id,
            "report_id": report_id,
            "addressee": addressee,
            "classes": sorted(incoming.sealed.classes - {FieldClass.PROTECTION}),
            "value": incoming.sealed.value,
            "traceparent": incoming.envelope.traceparent,
        }
    )
    if person_id is not None:
        _noted(tx).touched[person_id] = incoming.envelope.traceparent


async def on_report_received(event: ReportReceived, tx: Tx) -> None:
    """Keep it, and the consents stated with it; released once its person is known."""
    if tx.incoming is None or tx.incoming.erased:
        return
    _keep(tx, report_id=event.report_id)
    facts = _noted(tx).report(event.report_id)
    facts["citizenships"] = list(event.citizenship or ())
    facts["country"] = event.last_known_country
    facts["child"] = is_child(event.date_of_birth, event.age, event.received_at.date())
    for stated in event.consents or ():
        _noted(tx).consents.append(
            {
                "consent_id": new_id(),
                "report_id": event.report_id,
                "recipient": stated.recipient,
                "purpose": stated.purpose,
                "classes": sorted(stated.classes),
                "given_by": stated.given_by,
                "obtained_at": event.received_at,
                "expires_at": stated.expires_at,
            }
        )


async def on_person_registered(event: PersonRegistered, tx: Tx) -> None:
    """A report has a person now."""
    _keep(tx, person_id=event.person_id)
    _noted(tx).report(event.report_id)["person_id"] = event.person_id


async def on_report_linked(event: ReportLinked, tx: Tx) -> None:
    """A further report of a person."""
    _keep(tx, person_id=event.person_id)
    _noted(tx).report(event.report_id)["person_id"] = event.person_id


async def on_report_unlinked(event: ReportUnlinked, tx: Tx) -> None:
    """The report is somebody else's; both are decided again."""
    _keep(tx, person_id=event.person_id)
    _noted(tx).report(event.report_id)["person_id"] = event.new_person_id
    _noted(tx).touched[event.new_person_id] = None


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
        "classes": sorted(classes),
        "open": is_open,
    }


async def on_subject_erased(event: SubjectErased, tx: Tx) -> None:
    """Nothing of the person goes to anybody; all who had something are told."""
    if event.person_id is not None and str(event.person_id) in event.subjects:
        _noted(tx).erased.append(event.person_id)
        _noted(tx).touched[event.person_id] = None


def finishing(judge: Judge) -> Callable[[Tx], Coroutine[Any, Any, None]]:
    """The batch's end: write what was noted, then decide."""

    async def finish(tx: Tx) -> None:
        noted = _noted(tx)
        named = {r["person_id"] for r in noted.reports.values() if r["person_id"] is not None}
        await cases.add_persons(tx.db, noted.touched.keys() | named)
        await cases.add_reports(tx.db, list(noted.reports.values()))
        await cases.add_events(tx.db, noted.events)
        await register.add_consents(tx.db, noted.consents)
        await cases.add_referrals(tx.db, noted.referrals)
        for person_id in noted.erased:
            await cases.erase(tx.db, person_id, tx.now)
        moved = await cases.name_persons(tx.db, noted.reports.keys())
        touched = noted.touched.keys() | named | moved
        await cases.lock_and_revise(tx.db, touched)
        await decide_persons(touched, tx, judge, noted.touched)

    return finish


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
