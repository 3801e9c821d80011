"""What a partner is given next: decided again where need be, recorded, and only then handed out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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

ATTEMPTS = 8
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
        """The next events, at most ``limit``, that rest on what is known now; what does not is decided
        first, in transactions of its own. Problem: 403 while the partner may not read, 410, 422 for a
        cursor that is none, 503 while feeds pause."""
        for _ in range(ATTEMPTS):
            try:
                async with self.parts.transaction(self.actor) as tx:
                    page = await self._page(start, limit, tx)
            except Unsettled as unsettled:
                async with self.parts.transaction(f"service:{self.parts.name}") as tx:
                    await cases.lock(tx.db, unsettled.person_ids)
                    await decide_persons(unsettled.person_ids, tx, self.judge)
            else:
                if page is None:
                    raise suspended()  # after the commit: the denial is recorded
                return page
        raise Problem(503, "try-again", "What this page shows changes at the moment.", retry_after=1)

    async def _page(self, start: Start, limit: int, tx: Tx) -> Page | None:
        names = Pseudonyms(await lookup_key(tx), self.agency)
        place = names.place(start) if isinstance(start, str) else None
        place = start if isinstance(start, Place) else place
        after = place.seq if place else 0
        if isinstance(start, datetime):
            after = await pages.place_before(tx.db, self.agency, start)
        stretch = await pages.hold(tx.db, self.agency, after, limit)
        partner = active(stretch.partner if stretch else None, tx)
        if stretch is None or partner is None:
            return None
        _caught_up(stretch.caught_up_at, tx, self.bound)
        if isinstance(start, str | Place):
            _must_be_here(place, stretch.epoch)
        source = f"{self.parts.settings.public_url}/v1/events"
        return await read_page(partner, stretch, names, tx, self.judge, source)


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
