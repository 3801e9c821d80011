"""What one run of the release engine changes in the feeds, worked out in memory; decide.py writes it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from homeward.common.contracts import FieldClass
from homeward.common.contracts.exchange import Decision
from homeward.common.ids import new_shown_id

from .domain import Basis, CaseEvent, CaseFile, Change, Live, in_order, plan, situation
from .judge import Answer, Answers
from .policies import Question
from .store import feeds
from .store.feeds import Appended


class Matter(NamedTuple):
    """One event before one partner: what it is to be told, and what it holds of it so far."""

    event: CaseEvent
    file: CaseFile
    answer: Answer
    live: Live | None

    @property
    def agency(self) -> str:
        """The partner's."""
        return self.answer.partner.agency

    @property
    def stands(self) -> Live | None:
        """What it holds, if that was not withdrawn."""
        return self.live if self.live is not None and not self.live.withdrawn else None

    @property
    def moved(self) -> bool:
        """Whether the partner was told that it is about somebody else."""
        return self.live is not None and self.live.person_id != self.file.person_id


class Told(NamedTuple):
    """A decision to be announced, and the release that carries it out, if there is one."""

    matter: Matter
    release: Appended | Live | None

    def decision(self) -> Decision:
        """As it is announced; once the release has its ``seq``."""
        if self.release is None:
            return self.matter.answer.without_release
        row = self.release.row if isinstance(self.release, Appended) else self.release._asdict()
        return self.matter.answer.decision(row["release_id"], row["seq"], row["generation"])


@dataclass
class Changes:
    """What one run will write; filled by :meth:`decide`."""

    answers: Answers
    policy_digest: str
    newest: Mapping[tuple[UUID, str], Live]
    """By event and agency: the newest release."""
    now: datetime
    appended: list[Appended] = field(default_factory=list)
    restated: list[dict[str, Any]] = field(default_factory=list)
    superseded: list[tuple[str, int]] = field(default_factory=list)
    confirmed: list[tuple[str, int, Basis]] = field(default_factory=list)
    """Releases (agency, seq) that rested on something else; of no matter if they do not stand any more."""
    questions: dict[str, Question] = field(default_factory=dict)
    """By digest: what the decisions of this run answer."""
    told: list[list[Told]] = field(default_factory=list)
    """By event."""

    def decide(self, file: CaseFile, event: CaseEvent) -> None:
        """One event for every partner."""
        told = []
        for answer in self.answers[situation(file, event, self.now)]:
            agency = answer.partner.agency
            matter = Matter(event, file, answer, self.newest.get((event.event_id, agency)))
            change = plan(matter.live, answer.verdict.classes, moved=matter.moved)
            rests_elsewhere = False
            if stands := matter.stands:
                rests_elsewhere = stands.snapshot != answer.snapshot
                if stands.basis != (basis := self._basis(matter)):
                    self.confirmed.append((agency, stands.seq, basis))
            if change is None and not rests_elsewhere and agency in event.told:
                continue
            self.questions[answer.snapshot] = answer.question
            told.append(Told(matter, self._carry_out(matter, change)))
        if told:
            self.told.append(told)

    def _basis(self, matter: Matter) -> Basis:
        file, partner = matter.file, matter.answer.partner
        until = file.valid_until(partner.agency, self.now)
        return Basis(file.revision, partner.revision, self.policy_digest, until)

    def _carry_out(self, matter: Matter, change: Change | None) -> Appended | Live | None:
        """Put down what has to be written; the release that stands afterwards."""
        live, stands = matter.live, matter.stands
        if change is None:
            if stands:
                self._restate(matter, stands, feeds.LIVE)
            return stands
        if change.lost and live:
            lost = live.classes if change.withdraw else change.lost
            self._take_back(matter, live, lost, whole=change.withdraw)
            stands = None if change.withdraw else live
        if live and (change.withdraw or change.supersedes):
            # Only what stands says what it superseded; who did not read it in time is told otherwise.
            for older in live.before:
                self._take_back(matter, older, older.classes, whole=True)
        if not change.release:
            return stands
        if change.supersedes and live:
            self.superseded.append((matter.agency, live.seq))
        release = self._release(matter, change)
        self.appended.append(release)
        return release

    def _take_back(self, matter: Matter, live: Live, lost: Collection[FieldClass], *, whole: bool) -> None:
        row = feed_row(matter.agency, feeds.RETRACTION, live.person_id, self.now)
        row["release_id"] = live.release_id
        row["event_id"] = matter.event.event_id
        row["generation"] = live.generation
        row["classes"] = sorted(lost)
        row["retracted_seq"] = live.seq
        row["whole"] = whole
        self.appended.append(Appended(row))
        self._restate(matter, live, feeds.WITHDRAWN if whole else feeds.LIVE)

    def _restate(self, matter: Matter, live: Live, state: str) -> None:
        kept = (
            live.classes & matter.answer.verdict.classes if state == feeds.LIVE else frozenset[FieldClass]()
        )
        row: dict[str, Any] = {"agency": matter.agency, "seq": live.seq, "state": state}
        self.restated.append(row | _shown(matter.answer, kept))

    def _release(self, matter: Matter, change: Change) -> Appended:
        row = feed_row(matter.agency, feeds.RELEASE, matter.file.person_id, self.now)
        row["release_id"] = new_shown_id()
        row["event_id"] = matter.event.event_id
        row["generation"] = change.generation
        row["supersedes"] = change.supersedes
        row["state"] = feeds.LIVE
        row |= _shown(matter.answer, change.release)
        row |= self._basis(matter)._asdict()
        return Appended(row)


def _shown(answer: Answer, classes: frozenset[FieldClass]) -> dict[str, Any]:
    """What a release shows, and the answer that says so."""
    return {
        "classes": in_order(classes),
        "withheld": in_order(answer.verdict.withheld),
        "policies": answer.verdict.policies,
        "snapshot": answer.snapshot,
    }


def feed_row(agency: str, kind: str, person_id: UUID, now: datetime) -> dict[str, Any]:
    """A feed row's common part; every row of one insert has the same columns."""
    return {
        "agency": agency, "kind": kind, "person_id": person_id, "at": now, "event_id": None, "generation": 0,
        "supersedes": None, "classes": [], "withheld": [], "policies": [], "snapshot": None,
        "policy_digest": None, "case_revision": None, "partner_revision": None, "valid_until": None,
        "retracted_seq": None, "whole": None, "state": kind,
    }  # fmt: skip
