"""What a partner is given next: decided again where need be, recorded, and only then handed out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import ReadDenied
from homeward.common.idempotency import lookup_key
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from .decide import decide_persons
from .domain import Partner
from .feed import Page, Unsettled, read_page
from .judge import Judge
from .pseudonyms import Place, Pseudonyms
from .store import cases, pages
from .store import partners as registry
from .store.pages import Stretch

ATTEMPTS = 8
T = TypeVar("T")
Hold = Callable[[AsyncConnection, str, int, int], Awaitable[Stretch | None]]
Show = Callable[[Partner, Stretch, Pseudonyms, Tx], Awaitable[T]]
Start = str | datetime | Place | None
"""Where to read on: behind a cursor, from a time on, or from the beginning."""


@dataclass(frozen=True)
class Reading:
    """Somebody (``actor``) reads the feed of an agency."""

    parts: Parts
    judge: Judge
    agency: str
    actor: str
    bound: float
    """By how many seconds exchange may be behind."""

    async def page(self, start: Start, limit: int) -> Page:
        """The next events, at most ``limit``. Problem, as :meth:`read`."""
        source = f"{self.parts.settings.public_url}/v1/events"

        async def show(partner: Partner, stretch: Stretch, names: Pseudonyms, tx: Tx) -> Page:
            return await read_page(partner, stretch, names, tx, self.judge, source)

        return await self.read(start, limit, pages.hold, show)

    async def read(self, start: Start, limit: int, hold: Hold, show: Show[T]) -> T:
        """What ``show`` makes of the stretch that ``hold`` finds behind ``start``, resting on what is known
        now; what does not is decided first, in transactions of its own. Problem: 403 while the partner may
        not read, 410, 422 for a cursor that is none, 503 while feeds pause."""
        for _ in range(ATTEMPTS):
            try:
                async with self.parts.transaction(self.actor) as tx:
                    names = Pseudonyms(await lookup_key(tx), self.agency)
                    place = await self._place(start, names, tx)
                    stretch = await hold(tx.db, self.agency, place.seq if place else 0, limit)
                    partner = active(stretch.partner if stretch else None, tx)
                    if stretch is not None and partner is not None:
                        _caught_up(stretch.caught_up_at, tx, self.bound)
                        if start is not None:
                            _must_be_here(place, stretch.epoch)
                        return await show(partner, stretch, names, tx)
            except Unsettled as unsettled:
                await self._settle(unsettled)
            else:
                raise suspended()  # after the commit: the denial is recorded
        raise Problem(503, "try-again", "What this page shows changes at the moment.", retry_after=1)

    async def _place(self, start: Start, names: Pseudonyms, tx: Tx) -> Place | None:
        if isinstance(start, datetime):
            return Place(*await pages.place_before(tx.db, self.agency, start))
        return names.place(start) if isinstance(start, str) else start

    async def _settle(self, unsettled: Unsettled) -> None:
        async with self.parts.transaction(f"service:{self.parts.name}") as tx:
            await cases.lock(tx.db, unsettled.person_ids)
            await decide_persons(unsettled.person_ids, tx, self.judge)


def suspended() -> Problem:
    """Whoever asks for an agency that may not read."""
    return Problem(403, "partner-suspended", "This organisation is not an active partner.")


def active(row: Any, tx: Tx) -> Partner | None:
    """The partner who asks, as registered now, whatever its token says; None, and the denial noted, if
    it may not read."""
    if row is not None and row.suspended:
        tx.emit(ReadDenied(agency=row.agency, problem="partner-suspended"))
    return None if row is None or row.suspended else registry.partner_of(row)


def _caught_up(at: datetime | None, tx: Tx, bound: float) -> None:
    """503 while exchange is too far behind. Where nobody has begun to follow others there is nothing to be
    behind of: no feed holds anything."""
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
        raise Problem(410, "feed-restored", detail, continue_at="/v1/events")
