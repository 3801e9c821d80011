"""What every read of a partner has in common: who asks, from where on, and that it rests on what is known
now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.auth import Actor, require
from homeward.common.contracts import ReadDenied
from homeward.common.http import ServiceParts
from homeward.common.idempotency import lookup_key
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from ..decide import decide_persons
from ..domain import Partner
from ..feed import Unsettled
from ..judge import Judge
from ..pseudonyms import Place, Pseudonyms
from ..store import cases
from ..store import partners as registry
from ..store.pages import Stretch
from .own import TheJudge, TheSettings, suspended

Reader = Annotated[Actor, require("events:read")]
ATTEMPTS = 8
T = TypeVar("T")
Hold = Callable[[AsyncConnection, str, int, int], Awaitable[Stretch | None]]
Show = Callable[[Partner, Stretch, Pseudonyms, Tx], Awaitable[T]]


@dataclass(frozen=True)
class Reading:
    """How a partner reads."""

    parts: Parts
    actor: Actor
    judge: Judge
    behind_seconds: float
    """How far exchange may be behind."""

    async def read(self, cursor: str | None, limit: int, hold: Hold, show: Show[T]) -> T:
        """What ``show`` makes of the stretch that ``hold`` finds behind ``cursor``, resting on what is known
        now; what does not is decided first, in transactions of its own."""
        for _ in range(ATTEMPTS):
            try:
                async with self.parts.transaction(self.actor.name) as tx:
                    names = Pseudonyms(await lookup_key(tx), self.actor.organisation)
                    start = names.place(cursor) if cursor else None
                    stretch = await hold(tx.db, self.actor.organisation, start.seq if start else 0, limit)
                    partner = active(stretch.partner if stretch else None, tx)
                    if stretch is not None and partner is not None:
                        _caught_up(stretch, tx, self.behind_seconds)
                        if cursor is not None:
                            _must_be_here(start, stretch.epoch)
                        return await show(partner, stretch, names, tx)
            except Unsettled as unsettled:
                await self._settle(unsettled)
            else:
                raise suspended()  # after the commit: the denial is recorded
        raise Problem(503, "try-again", "What this page shows changes at the moment.", retry_after=1)

    async def _settle(self, unsettled: Unsettled) -> None:
        async with self.parts.transaction(f"service:{self.parts.name}") as tx:
            await cases.lock(tx.db, unsettled.person_ids)
            await decide_persons(unsettled.person_ids, tx, self.judge)


async def reading_of(parts: ServiceParts, actor: Reader, judge: TheJudge, settings: TheSettings) -> Reading:
    """How the partner reads that asks."""
    return Reading(parts, actor, judge, settings.feed_pause_seconds)


TheReading = Annotated[Reading, Depends(reading_of)]


def active(row: Any, tx: Tx) -> Partner | None:
    """The partner who asks, as registered now, whatever its token says; None, and the denial noted, if
    it may not read."""
    if row is not None and row.suspended:
        tx.emit(ReadDenied(agency=row.agency, problem="partner-suspended"))
    return None if row is None or row.suspended else registry.partner_of(row)


def _caught_up(stretch: Stretch, tx: Tx, bound: float) -> None:
    """503 while exchange is too far behind. Where nobody has begun to follow others there is nothing to be
    behind of: no feed holds anything."""
    at = stretch.caught_up_at
    if at is not None and tx.now - at > timedelta(seconds=bound):
        detail = "Exchange is behind; what a feed shows might have been revoked meanwhile."
        raise Problem(503, "feed-paused", detail, retry_after=2)


def _must_be_here(place: Place | None, epoch: int) -> None:
    """Whether the cursor was one of this feed's, and of the feed as it is."""
    if place is None:
        error = {"field": "cursor", "code": "unknown_cursor", "detail": "Not a cursor of this feed."}
        raise Problem(422, "unknown-cursor", "Start again without a cursor.", errors=[error])
    if place.epoch != epoch:
        detail = (
            "Exchange was restored from a backup, and this feed begins anew. Let go of what you hold of "
            "it, and read it from the beginning, without a cursor."
        )
        raise Problem(410, "feed-restored", detail)
