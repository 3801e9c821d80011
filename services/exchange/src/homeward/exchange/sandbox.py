"""Made-up people for a partner that tries out: they are known to exchange alone, and go the same way through
policies, feeds and the record of reads as everybody else."""

from collections.abc import Sequence
from itertools import chain
from uuid import UUID

from homeward.common.contracts import Event, FieldClass, PersonRegistered, ReportReceived, SandboxFed
from homeward.common.ids import new_id
from homeward.common.sealing import Draft, seal
from homeward.common.tx import Tx

from .decide import decide_persons
from .domain import Arrival, CaseEvent, Partner
from .judge import Judge
from .store import cases, facts, register

AT_FIRST = 3
"""Whom a partner finds in its feed when it comes."""


async def make_up(partner: Partner, number: int, tx: Tx, judge: Judge) -> None:
    """So many people more, each reported once, with consent to everything the partner may ever see."""
    made: list[UUID] = []
    for _ in range(number):
        made += await _make_one(partner, tx, judge)
    tx.emit(SandboxFed(agency=partner.agency, events=tuple(made)))


async def _make_one(partner: Partner, tx: Tx, judge: Judge) -> Sequence[UUID]:
    report, person_id = _report(partner, tx), new_id()
    registered = PersonRegistered(person_id=person_id, report_id=report.report_id)
    arrivals = await _seal((report, registered), person_id, report, tx)
    await facts.lock_reports(tx.db, [report.report_id])
    await facts.add_persons(tx.db, [person_id])
    await cases.make_synthetic(tx.db, person_id)
    await cases.lock(tx.db, [person_id])
    said = {
        "report_id": report.report_id,
        "reporter_id": report.reporter_id,
        "citizenships": list(report.citizenship or ()),
        "country": report.last_known_country,
        "child": False,
    }
    await facts.put_facts(tx.db, [said])
    link = {"report_id": report.report_id, "person_id": person_id, "link_epoch": 0, "link_sequence": 0}
    await facts.put_links(tx.db, [link])
    await register.add_consents(tx.db, [_consent(partner, person_id, p, tx) for p in partner.purposes])
    await decide_persons([person_id], tx, judge, arrivals=arrivals)
    return [one.event.event_id for one in arrivals]


async def take_back(partner: Partner, tx: Tx, judge: Judge) -> bool:
    """One of them withdraws all consents; False if there is nobody left who could."""
    person_id = await cases.synthetic_person(tx.db, partner.agency)
    if person_id is None:
        return False
    await cases.lock(tx.db, [person_id])
    await register.withdraw(tx.db, person_id, tx.now)
    await cases.revise(tx.db, [person_id])
    await decide_persons([person_id], tx, judge)
    return True


def _report(partner: Partner, tx: Tx) -> ReportReceived:
    report_id = new_id()
    return ReportReceived(
        report_id=report_id,
        reporter_id=new_id(),
        kind="missing",
        received_at=tx.now,
        channel="api",
        full_name=f"示例 (made up) {report_id.hex[-6:]}",
        age=26,
        sex="F",
        citizenship=(partner.country,),
        phone="+00 000 0000 0000",
        physical_description="Nobody: made up for trying out.",
        last_known_country=partner.country,
        last_known_location="Made-up Compound 1",
        narrative="Made up: told of a job abroad, and not heard of since.",
        police_case="none",
        reporter_name="示例家属 (made up)",
        reporter_contact="+00 000 0000 0001",
    )


def _consent(partner: Partner, person_id: UUID, purpose: str, tx: Tx) -> dict[str, object]:
    return {
        "consent_id": new_id(),
        "person_id": person_id,
        "recipient": partner.agency,
        "purpose": purpose,
        "classes": sorted(FieldClass),
        "given_by": "self",
        "obtained_at": tx.now,
    }


async def _seal(events: Sequence[Event], person_id: UUID, report: ReportReceived, tx: Tx) -> list[Arrival]:
    drafts = [Draft(new_id(), event, str(event.SERVICE)) for event in events]
    keys = await tx.keys(chain.from_iterable(draft.subjects for draft in drafts), create=True)
    arrivals = []
    for draft in drafts:
        classes = frozenset(draft.grouped) - {FieldClass.PROTECTION}
        event = CaseEvent(draft.event_id, draft.event.TYPE, report.report_id, None, classes)
        made_by = report.reporter_id if draft.event is report else None
        arrivals.append(Arrival(event, person_id, made_by, seal(draft, keys)))
    return arrivals
