"""The release engine: brings the feeds of all partners in line with what is known of some persons.

Called with the persons' rows locked, at the end of any transaction that changed what visibility
depends on: a new event, a consent, a hold, a referral, an erasure. It decides each event for each
partner afresh and writes only the differences: releases, retractions, erasures.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from homeward.common.contracts import FieldClass, ReleaseDecided, ReleaseRetracted
from homeward.common.contracts.exchange import Decision
from homeward.common.ids import new_id
from homeward.common.tx import Tx

from .domain import CaseEvent, CaseFile, Change, Live, Partner, plan, question
from .policies import PolicySet, Verdict
from .store import cases, feeds
from .store import partners as registry
from .store.feeds import Appended


@dataclass(frozen=True)
class Judge:
    """What deciding needs beside the facts."""

    policies: PolicySet
    data_home: str


@dataclass(frozen=True)
class _Told:
    """One partner's verdict on one event."""

    partner: Partner
    verdict: Verdict
    snapshot: str


_Row = Appended | None
"""The row of a new release, where a decision made one."""


@dataclass
class _Outcome:
    """What one run will write."""

    appended: list[Appended] = field(default_factory=list)
    narrowed: list[tuple[str, int, frozenset[FieldClass], str]] = field(default_factory=list)
    snapshots: dict[str, Any] = field(default_factory=dict)
    decided: list[tuple[CaseEvent, CaseFile, str | None, list[tuple[_Row, _Told]]]] = field(
        default_factory=list
    )


async def decide_persons(
    person_ids: Collection[UUID], tx: Tx, judge: Judge, traces: Mapping[UUID, str | None] | None = None
) -> None:
    """Bring all feeds in line for these persons. ``traces`` names what caused it, by person."""
    partners = [registry.partner_of(row) for row in await registry.all_partners(tx.db)]
    partners = [partner for partner in partners if not partner.suspended]
    if not person_ids or not partners:
        return
    files = await cases.case_files(tx.db, person_ids)
    events = await cases.events_of(tx.db, person_ids)
    newest = await feeds.newest_releases(tx.db, person_ids)
    outcome = _Outcome()
    valid_until: dict[tuple[UUID, str], datetime | None] = {}
    for file in files:
        for partner in partners:
            valid_until[file.person_id, partner.agency] = file.valid_until(partner.agency, tx.now)
        for event, decided_before, trace in events.get(file.person_id, []):
            cause = (traces or {}).get(file.person_id) or trace
            _decide_event(event, file, partners, newest, judge, tx.now, outcome, cause, decided_before)
    erased = [file.person_id for file in files if file.erased]
    if erased:
        await _tell_of_erasure(erased, newest, tx, outcome)
    await _write(outcome, files, partners, valid_until, tx, judge)


def _decide_event(
    event: CaseEvent,
    file: CaseFile,
    partners: Collection[Partner],
    newest: Mapping[tuple[UUID, str], Live],
    judge: Judge,
    now: datetime,
    outcome: _Outcome,
    trace: str | None,
    decided_before: bool,
) -> None:
    told: list[tuple[_Row, _Told]] = []
    for partner in partners:
        asked = question(partner, file, event, judge.data_home, now)
        verdict, digest = judge.policies.decide(asked)
        live = newest.get((event.event_id, partner.agency))
        change = plan(live, verdict.classes)
        if change is None and decided_before:
            continue
        outcome.snapshots.setdefault(digest, asked.snapshot())
        row = None
        if change is not None:
            row = _apply(change, live, event, file, _Told(partner, verdict, digest), now, outcome)
        told.append((row, _Told(partner, verdict, digest)))
    if told:
        outcome.decided.append((event, file, trace, told))


def _apply(
    change: Change,
    live: Live | None,
    event: CaseEvent,
    file: CaseFile,
    told: _Told,
    now: datetime,
    outcome: _Outcome,
) -> _Row:
    """Put what a change needs into the outcome; the new release's row, if there is one."""
    agency = told.partner.agency
    if change.lost and live:
        state = feeds.WITHDRAWN if change.withdraw else feeds.LIVE
        outcome.narrowed.append((agency, live.seq, change.lost, state))
        outcome.appended.append(_retraction(change, live, event, file, agency, now))
    if not change.release:
        return None
    if change.supersedes and live:
        outcome.narrowed.append((agency, live.seq, frozenset(), feeds.SUPERSEDED))
    row = Appended(
        _row(agency, feeds.RELEASE, file.person_id, now)
        | {
            "release_id": new_id(),
            "event_id": event.event_id,
            "generation": change.generation,
            "supersedes": change.supersedes,
            "classes": sorted(change.release),
            "withheld": sorted(told.verdict.withheld),
            "policies": list(told.verdict.policies),
            "snapshot": told.snapshot,
            "state": feeds.LIVE,
        }
    )
    outcome.appended.append(row)
    return row


def _retraction(
    change: Change, live: Live, event: CaseEvent, file: CaseFile, agency: str, now: datetime
) -> Appended:
    return Appended(
        _row(agency, feeds.RETRACTION, file.person_id, now)
        | {
            "release_id": live.release_id,
            "event_id": event.event_id,
            "generation": live.generation,
            "classes": sorted(change.lost),
            "retracted_seq": live.seq,
            "whole": change.withdraw,
            "state": feeds.RETRACTION,
        }
    )


async def _tell_of_erasure(
    erased: Collection[UUID], newest: Mapping[tuple[UUID, str], Live], tx: Tx, outcome: _Outcome
) -> None:
    """An erasure goes to every agency that was ever given anything of the person."""
    done = await feeds.told_of_erasure(tx.db, erased)
    given = await feeds.recipients(tx.db, erased)
    for person_id, agency in sorted(given - done):
        row = _row(agency, feeds.ERASURE, person_id, tx.now)
        outcome.appended.append(Appended(row | {"release_id": new_id(), "state": feeds.ERASURE}))


async def _write(
    outcome: _Outcome,
    files: Collection[CaseFile],
    partners: Collection[Partner],
    valid_until: Mapping[tuple[UUID, str], datetime | None],
    tx: Tx,
    judge: Judge,
) -> None:
    await feeds.add_snapshots(tx.db, outcome.snapshots)
    await cases.mark_decided(tx.db, [event.event_id for event, *_ in outcome.decided])
    for agency, seq, lost, state in outcome.narrowed:
        await feeds.narrow(tx.db, agency, seq, lost, state)
    await feeds.append(tx.db, outcome.appended)
    await feeds.stamp(
        tx.db,
        {file.person_id: file.revision for file in files},
        valid_until,
        {partner.agency: partner.revision for partner in partners},
        judge.policies.digest,
    )
    _announce(outcome, tx, judge)


def _announce(outcome: _Outcome, tx: Tx, judge: Judge) -> None:
    """Say what was decided and retracted; audit hears of it."""
    for event, file, trace, told in outcome.decided:
        tx.emit(
            ReleaseDecided(
                decided_event_id=event.event_id,
                case_revision=file.revision,
                policy_digest=judge.policies.digest,
                decisions=tuple(_decision(row, one) for row, one in told),
            ),
            traceparent=trace,
        )
    erased = {file.person_id for _, file, *_ in outcome.decided if file.erased}
    for appended in outcome.appended:
        row = appended.row
        if row["kind"] == feeds.RETRACTION:
            tx.emit(
                ReleaseRetracted(
                    agency=row["agency"],
                    release_id=row["release_id"],
                    seq=row["seq"],
                    retracted_seq=row["retracted_seq"],
                    classes=None if row["whole"] else tuple(row["classes"]),
                    erased=row["person_id"] in erased,
                )
            )


def _decision(row: _Row, told: _Told) -> Decision:
    released = row.row if row else {}
    return Decision(
        agency=told.partner.agency,
        release_id=released.get("release_id"),
        seq=released.get("seq"),
        generation=released.get("generation", 0),
        classes=tuple(sorted(told.verdict.classes)),
        withheld=tuple(sorted(told.verdict.withheld)),
        policies=told.verdict.policies,
        snapshot=told.snapshot,
        partner_revision=told.partner.revision,
    )


def _row(agency: str, kind: str, person_id: UUID, now: datetime) -> dict[str, Any]:
    """A feed row's common part; every row of one insert has the same columns."""
    return {
        "agency": agency, "kind": kind, "person_id": person_id, "at": now, "event_id": None, "generation": 0,
        "supersedes": None, "classes": [], "withheld": [], "policies": [], "snapshot": None,
        "retracted_seq": None, "whole": None,
    }  # fmt: skip
