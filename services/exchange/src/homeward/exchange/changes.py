"""What one run of the release engine changes in the feeds, worked out in memory; decide.py writes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from homeward.common.contracts import FieldClass
from homeward.common.ids import new_shown_id

from .domain import CaseEvent, CaseFile, Change, Live, Partner, plan, question
from .policies import PolicySet, Verdict
from .store import feeds
from .store.feeds import Appended


@dataclass(frozen=True)
class Judge:
    """What deciding needs beside the facts."""

    policies: PolicySet
    data_home: str


@dataclass(frozen=True)
class Matter:
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
class Told:
    """A decision to be announced, and the release that carries it out, if there is one."""

    matter: Matter
    release: Appended | Live | None


@dataclass
class Changes:
    """What one run will write; filled by :meth:`decide`."""

    judge: Judge
    now: datetime
    valid_until: dict[tuple[UUID, str], datetime | None] = field(default_factory=dict)
    appended: list[Appended] = field(default_factory=list)
    restated: list[dict[str, Any]] = field(default_factory=list)
    superseded: list[tuple[str, int]] = field(default_factory=list)
    snapshots: dict[str, Any] = field(default_factory=dict)
    told: list[list[Told]] = field(default_factory=list)
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
            matter = Matter(event, file, partner, live, verdict, digest)
            change = plan(live, verdict.classes, moved=matter.moved)
            rests_elsewhere = live is not None and not live.withdrawn and live.snapshot != digest
            if change is None and not rests_elsewhere and partner.agency in event.told:
                continue
            self.snapshots.setdefault(digest, asked.snapshot())
            told.append(Told(matter, self._carry_out(matter, change)))
        if told:
            self.told.append(told)

    def _carry_out(self, matter: Matter, change: Change | None) -> Appended | Live | None:
        """Put down what has to be written; the release that stands afterwards."""
        live = matter.live
        stands = live if live and not live.withdrawn else None
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
            self.superseded.append((matter.partner.agency, live.seq))
        release = self._release(matter, change)
        self.appended.append(release)
        return release

    def _take_back(self, matter: Matter, live: Live, lost: Collection[FieldClass], *, whole: bool) -> None:
        self.appended.append(
            Appended(
                feed_row(matter.partner.agency, feeds.RETRACTION, live.person_id, self.now)
                | {
                    "release_id": live.release_id,
                    "event_id": matter.event.event_id,
                    "generation": live.generation,
                    "classes": sorted(lost),
                    "retracted_seq": live.seq,
                    "whole": whole,
                }
            )
        )
        self._restate(matter, live, feeds.WITHDRAWN if whole else feeds.LIVE)

    def _restate(self, matter: Matter, live: Live, state: str) -> None:
        kept = live.classes & matter.verdict.classes if state == feeds.LIVE else frozenset[str]()
        self.restated.append(
            {"agency": matter.partner.agency, "seq": live.seq, "state": state} | _basis(matter, kept)
        )

    def _release(self, matter: Matter, change: Change) -> Appended:
        file, partner = matter.file, matter.partner
        return Appended(
            feed_row(partner.agency, feeds.RELEASE, file.person_id, self.now)
            | _basis(matter, change.release)
            | {
                "release_id": new_shown_id(),
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


def _basis(matter: Matter, classes: Collection[str]) -> dict[str, Any]:
    """What a release shows, and what it rests on."""
    return {
        "classes": sorted(classes),
        "withheld": sorted(matter.verdict.withheld),
        "policies": list(matter.verdict.policies),
        "snapshot": matter.snapshot,
    }


def feed_row(agency: str, kind: str, person_id: UUID, now: datetime) -> dict[str, Any]:
    """A feed row's common part; every row of one insert has the same columns."""
    return {
        "agency": agency, "kind": kind, "person_id": person_id, "at": now, "event_id": None, "generation": 0,
        "supersedes": None, "classes": [], "withheld": [], "policies": [], "snapshot": None,
        "policy_digest": None, "case_revision": None, "partner_revision": None, "valid_until": None,
        "retracted_seq": None, "whole": None, "state": kind,
    }  # fmt: skip
