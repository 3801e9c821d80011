"""The release engine: brings the feeds of all partners in line with what is known of some persons.

Called with the persons' rows locked, at the end of any transaction that changed what visibility
depends on: a new event, a consent, a hold, a referral, an erasure. It decides each event for each
partner afresh and writes only the differences: releases, retractions, erasures.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from homeward.common.contracts import ReleaseDecided, ReleaseRetracted
from homeward.common.contracts.exchange import Decision
from homeward.common.ids import new_id
from homeward.common.tx import Tx

from .domain import CaseEvent, CaseFile, Change, Live, Partner, plan, question
from .policies import PolicySet, Verdict
from .store import cases, feeds
from .store import partners as registry
from .store.feeds import Appended

DECISIONS_PER_EVENT = 100
"""Partners in one ReleaseDecided; more make further ones, so that none outgrows a record."""


@dataclass(frozen=True)
class Judge:
    """What deciding needs beside the facts."""

    policies: PolicySet
    data_home: str


@dataclass(frozen=True)
class _Matter:
    """One event before one partner: the verdict, and what the partner holds of it so far."""

    event: CaseEvent
    file: CaseFile
    partner: Partner
    live: Live | None
    verdict: Verdict
    snapshot: str

    @property
    def moved(self) -> bool:
        """Whether the partner was told that it is about somebody else."""
        return self.live is not None and self.live.person_id != self.file.person_id


@dataclass
class _Told:
    """A decision to be announced, and the release that carries it out, if there is one."""

    matter: _Matter
    release: Appended | Live | None


@dataclass
class _Run:
    """What one run will write."""

    judge: Judge
    now: datetime
    valid_until: dict[tuple[UUID, str], datetime | None] = field(default_factory=dict)
    appended: list[Appended] = field(default_factory=list)
    restated: list[dict[str, Any]] = field(default_factory=list)
    superseded: list[tuple[str, int]] = field(default_factory=list)
    snapshots: dict[str, Any] = field(default_factory=dict)
    told: list[list[_Told]] = field(default_factory=list)
    """By event."""

    def decide(
        self,
        file: CaseFile,
        event: CaseEvent,
        partners: Sequence[Partner],
        newest: Mapping[tuple[UUID, str], Live],
    ) -> None:
        """One event for every partner."""
        told = []
        for partner in partners:
            asked = question(partner, file, event, self.judge.data_home, self.now)
            verdict, digest = self.judge.policies.decide(asked)
            live = newest.get((event.event_id, partner.agency))
            matter = _Matter(event, file, partner, live, verdict, digest)
            change = plan(live, verdict.classes, moved=matter.moved)
            rests_elsewhere = live is not None and not live.withdrawn and live.snapshot != digest
            if change is None and not rests_elsewhere and partner.agency in event.told:
                continue
            self.snapshots.setdefault(digest, asked.snapshot())
            told.append(_Told(matter, self._carry_out(matter, change)))
        if told:
            self.told.append(told)

    def _carry_out(self, matter: _Matter, change: Change | None) -> Appended | Live | None:
        """Put down what has to be written; the release that stands afterwards."""
        live = matter.live
        stands = live if live and not live.withdrawn else None
        if change is None:
            if stands:
                self._restate(matter, stands, feeds.LIVE)
            return stands
        if change.lost and live:
            self.appended.append(self._retraction(matter, live, change))
            self._restate(matter, live, feeds.WITHDRAWN if change.withdraw else feeds.LIVE)
            stands = None if change.withdraw else live
        if not change.release:
            return stands
        if change.supersedes and live:
            self.superseded.append((matter.partner.agency, live.seq))
        release = self._release(matter, change)
        self.appended.append(release)
        return release

    def _restate(self, matter: _Matter, live: Live, state: str) -> None:
        kept = live.classes & matter.verdict.classes if state == feeds.LIVE else frozenset[str]()
        self.restated.append(
            {"agency": matter.partner.agency, "seq": live.seq, "state": state} | _basis(matter, kept)
        )

    def _release(self, matter: _Matter, change: Change) -> Appended:
        file, partner = matter.file, matter.partner
        return Appended(
            _row(partner.agency, feeds.RELEASE, file.person_id, self.now)
            | _basis(matter, change.release)
            | {
                "release_id": new_id(),
                "event_id": matter.event.event_id,
                "generation": change.generation,
                "supersedes": change.supersedes,
                "state": feeds.LIVE,
                "policy_digest": self.judge.policies.digest,
                "case_revision": file.revision,
                "partner_revision": partner.revision,
                "valid_until": self.valid_until[file.person_id, partner.agency],
            }
        )

    def _retraction(self, matter: _Matter, live: Live, change: Change) -> Appended:
        return Appended(
            _row(matter.partner.agency, feeds.RETRACTION, live.person_id, self.now)
            | {
                "release_id": live.release_id,
                "event_id": matter.event.event_id,
                "generation": live.generation,
                "classes": sorted(change.lost),
                "retracted_seq": live.seq,
                "whole": change.withdraw,
            }
        )


async def decide_persons(
    person_ids: Collection[UUID], tx: Tx, judge: Judge, traces: Mapping[UUID, str | None] | None = None
) -> None:
    """Bring all feeds in line for these persons. ``traces`` names what caused it, by person.

    Events for which no decision is recorded yet, because there was no partner or it was suspended, are
    found again by the sweep that follows a registration or resumption.
    """
    if not person_ids:
        return
    await registry.keep_as_it_is(tx.db)
    partners = [registry.partner_of(row) for row in await registry.all_partners(tx.db)]
    partners = [partner for partner in partners if not partner.suspended]
    files = await cases.case_files(tx.db, person_ids)
    events = await cases.events_of(tx.db, person_ids)
    newest = await feeds.newest_releases(tx.db, person_ids)
    run = _Run(judge, tx.now)
    for file in files:
        for partner in partners:
            run.valid_until[file.person_id, partner.agency] = file.valid_until(partner.agency, tx.now)
        for event in events.get(file.person_id, ()):
            run.decide(file, event, partners, newest)
    await _tell_of_erasures([file.person_id for file in files if file.erased], run, tx)
    await _write(run, files, partners, tx)
    _announce(run, traces or {}, tx)


async def _tell_of_erasures(erased: Collection[UUID], run: _Run, tx: Tx) -> None:
    """An erasure goes to every agency that was ever given anything of the person."""
    if erased:
        given = await feeds.recipients(tx.db, erased)
        for person_id, agency in sorted(given - await feeds.told_of_erasure(tx.db, erased)):
            row = _row(agency, feeds.ERASURE, person_id, tx.now)
            run.appended.append(Appended(row | {"release_id": new_id()}))


async def _write(run: _Run, files: Collection[CaseFile], partners: Collection[Partner], tx: Tx) -> None:
    await feeds.add_snapshots(tx.db, run.snapshots)
    for agencies, event_ids in _newly_told(run).items():
        await cases.mark_told(tx.db, event_ids, agencies)
    await feeds.restate(tx.db, run.restated)
    await feeds.supersede(tx.db, run.superseded)
    await feeds.stamp(
        tx.db,
        {file.person_id: file.revision for file in files},
        run.valid_until,
        {partner.agency: partner.revision for partner in partners},
        run.judge.policies.digest,
    )
    await feeds.append(tx.db, run.appended)


def _newly_told(run: _Run) -> dict[tuple[str, ...], list[UUID]]:
    """Events by the agencies for which this run records the first decision."""
    newly: dict[tuple[str, ...], list[UUID]] = {}
    for told in run.told:
        event = told[0].matter.event
        agencies = tuple(one.matter.partner.agency for one in told)
        if not event.told.issuperset(agencies):
            newly.setdefault(agencies, []).append(event.event_id)
    return newly


def _announce(run: _Run, traces: Mapping[UUID, str | None], tx: Tx) -> None:
    """Say what was decided and retracted; audit hears of it."""
    for told in run.told:
        matter = told[0].matter
        for some in _in_parts(told):
            tx.emit(
                ReleaseDecided(
                    decided_event_id=matter.event.event_id,
                    case_revision=matter.file.revision,
                    policy_digest=run.judge.policies.digest,
                    decisions=tuple(_decision(one) for one in some),
                ),
                traceparent=traces.get(matter.file.person_id) or matter.event.traceparent,
            )
    erased = {one.matter.event.event_id for told in run.told for one in told if _is_erased(one.matter)}
    for row in (appended.row for appended in run.appended):
        if row["kind"] == feeds.RETRACTION:
            tx.emit(
                ReleaseRetracted(
                    agency=row["agency"],
                    release_id=row["release_id"],
                    seq=row["seq"],
                    retracted_seq=row["retracted_seq"],
                    classes=None if row["whole"] else tuple(row["classes"]),
                    erased=row["event_id"] in erased,
                )
            )


def _is_erased(matter: _Matter) -> bool:
    return matter.file.erased or matter.event.erased


def _in_parts(told: Sequence[_Told]) -> Iterator[Sequence[_Told]]:
    for start in range(0, len(told), DECISIONS_PER_EVENT):
        yield told[start : start + DECISIONS_PER_EVENT]


def _decision(told: _Told) -> Decision:
    matter, release = told.matter, told.release
    row = release.row if isinstance(release, Appended) else vars(release) if release else {}
    return Decision(
        agency=matter.partner.agency,
        release_id=row.get("release_id"),
        seq=row.get("seq"),
        generation=row.get("generation", 0),
        classes=tuple(sorted(matter.verdict.classes)),
        withheld=tuple(sorted(matter.verdict.withheld)),
        policies=matter.verdict.policies,
        snapshot=matter.snapshot,
        partner_revision=matter.partner.revision,
    )


def _basis(matter: _Matter, classes: Collection[str]) -> dict[str, Any]:
    """What a release shows, and what it rests on."""
    return {
        "classes": sorted(classes),
        "withheld": sorted(matter.verdict.withheld),
        "policies": list(matter.verdict.policies),
        "snapshot": matter.snapshot,
    }


def _row(agency: str, kind: str, person_id: UUID, now: datetime) -> dict[str, Any]:
    """A feed row's common part; every row of one insert has the same columns."""
    return {
        "agency": agency, "kind": kind, "person_id": person_id, "at": now, "event_id": None, "generation": 0,
        "supersedes": None, "classes": [], "withheld": [], "policies": [], "snapshot": None,
        "policy_digest": None, "case_revision": None, "partner_revision": None, "valid_until": None,
        "retracted_seq": None, "whole": None, "state": kind,
    }  # fmt: skip
