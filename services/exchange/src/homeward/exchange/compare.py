"""What another policy set would change, before it is activated: asked of what is known now, nothing
written."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import FieldClass

from .activation import follow
from .domain import situation
from .judge import Answer, Answers, Judge
from .policies import PolicySet
from .store import cases
from .store import partners as registry

Places = Counter[tuple[str, FieldClass]]
"""Events, by agency and class."""


@dataclass
class Difference:
    """What a set would change for some persons."""

    revealed: Places = field(default_factory=Counter)
    withdrawn: Places = field(default_factory=Counter)
    persons: int = 0
    last: UUID | None = None
    """The last of these persons; None if there is nobody behind the first."""

    def add(self, now: Answer, then: Answer) -> None:
        """One event for one partner, by the set that decides now and the one that would."""
        agency = now.partner.agency
        self.revealed.update((agency, c) for c in then.verdict.classes - now.verdict.classes)
        self.withdrawn.update((agency, c) for c in now.verdict.classes - then.verdict.classes)


async def compare(
    candidate: PolicySet, judge: Judge, db: AsyncConnection, now: datetime, *, after: UUID | None, limit: int
) -> Difference:
    """What ``candidate`` would change for the next ``limit`` persons behind ``after``, for every partner for
    whom anything is decided. Raises PoliciesSuperseded."""
    await follow(judge, db)
    active = judge.answers(registry.decided_for(await registry.all_partners(db)))
    would_be = Answers(candidate, judge.data_home, active.partners)
    persons = await cases.persons_after(db, after, limit)
    events = await cases.events_of(db, persons)
    difference = Difference(persons=len(persons), last=persons[-1] if persons else None)
    for file in await cases.case_files(db, persons):
        for event in events.get(file.person_id, ()):
            about = situation(file, event, now)
            for one, other in zip(active[about], would_be[about], strict=True):
                difference.add(one, other)
            await asyncio.sleep(0)  # others are answered meanwhile
    return difference


def candidate(texts: Mapping[str, str]) -> PolicySet:
    """The set of these texts; remembered, since it is asked for again and again while it is checked.
    PoliciesRefused."""
    return _candidate(tuple(sorted(texts.items())))


@lru_cache(maxsize=4)
def _candidate(texts: tuple[tuple[str, str], ...]) -> PolicySet:
    return PolicySet.of(dict(texts))
