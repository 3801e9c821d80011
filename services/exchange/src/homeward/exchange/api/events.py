"""A partner's feed over HTTP: pull, acknowledge."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from homeward.common.auth import Actor, require
from homeward.common.contracts import FeedAcknowledged, ReadDenied
from homeward.common.http import ServiceParts
from homeward.common.idempotency import lookup_key
from homeward.common.openapi import refusals
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.common.sealing import canonical
from homeward.common.tx import Tx

from ..decide import decide_persons
from ..domain import Partner
from ..feed import Page, Unsettled, read_page
from ..judge import Judge
from ..pseudonyms import Place, Pseudonyms
from ..store import cases, feeds, pages
from ..store import partners as registry
from .own import Body, TheJudge, TheSettings, suspended

router = APIRouter(prefix="/v1/events", tags=["events"])
Reader = Annotated[Actor, require("events:read")]
POLL_SECONDS = 0.2
ATTEMPTS = 8


class Events(BaseModel):
    """CloudEvents 1.0 (JSON format), each with the agency's own ids and dense ``sequence``.

    ``cursor`` is where the next request continues; ``more`` says whether that is worth doing at once.
    """

    events: list[dict[str, Any]]
    cursor: str
    more: bool


class Acknowledgement(Body):
    """The partner has handled its feed up to this sequence, retractions and erasures included."""

    sequence: int = Field(ge=1)


class Acknowledged(BaseModel):
    """How far the partner has acknowledged."""

    sequence: int


class Stats(BaseModel):
    """How far a partner has got with its feed.

    ``lag_events`` are not read yet, the first of them for ``lag_seconds``. Retractions and erasures wait to
    be acknowledged.
    """

    last_sequence: int
    read_sequence: int
    acknowledged_sequence: int
    lag_events: int
    lag_seconds: float
    retractions_unacknowledged: int


@router.get("", response_model=Events, responses=refusals(410))
async def pull(
    parts: ServiceParts,
    actor: Reader,
    judge: TheJudge,
    settings: TheSettings,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
) -> Response:
    """The next events after ``cursor`` (from the beginning without one); waits up to ``wait`` seconds
    for one to come."""
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        page = await _page(parts, actor, judge, cursor, limit, settings.feed_pause_seconds)
        if not page.empty or asyncio.get_running_loop().time() >= deadline:
            return _answer(page)
        await asyncio.sleep(POLL_SECONDS)


def _answer(page: Page) -> Response:
    """:class:`Events`, its events byte for byte as they were recorded."""
    rest = canonical({"cursor": page.cursor, "more": page.more})
    content = b'{"events":%b,%b' % (page.events, rest.removeprefix(b"{"))
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _page(
    parts: Parts, actor: Actor, judge: Judge, cursor: str | None, limit: int, bound: float
) -> Page:
    """A page that rests on what is known now; what does not is decided first, in transactions of its
    own."""
    for _ in range(ATTEMPTS):
        try:
            async with parts.transaction(actor.name) as tx:
                names = Pseudonyms(await lookup_key(tx), actor.organisation)
                start = names.place(cursor) if cursor else None
                stretch = await pages.hold(tx.db, actor.organisation, start.seq if start else 0, limit)
                partner = _active(stretch.partner if stretch else None, tx)
                if stretch is not None and partner is not None:
                    _caught_up(stretch.caught_up_at, tx, bound)
                    if cursor is not None:
                        _must_be_here(start, stretch.epoch)
                    source = f"{parts.settings.public_url}/v1/events"
                    return await read_page(partner, stretch, names, tx, judge, source)
        except Unsettled as unsettled:
            async with parts.transaction(f"service:{parts.name}") as tx:
                await cases.lock(tx.db, unsettled.person_ids)
                await decide_persons(unsettled.person_ids, tx, judge)
        else:
            raise suspended()  # after the commit: the denial is recorded
    raise Problem(503, "try-again", "What this page shows changes at the moment.", retry_after=1)


def _active(row: Any, tx: Tx) -> Partner | None:
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
        raise Problem(410, "feed-restored", detail)


@router.get("/stats")
async def stats(parts: ServiceParts, actor: Reader) -> Stats:
    """How far the partner has got with its feed: counted over what it may read, so that nothing else can be
    told from it."""
    async with parts.transaction(actor.name) as tx:
        partner = _active(await registry.partner(tx.db, actor.organisation), tx)
        found = await _stats(partner.agency, tx) if partner else None
    if found is None:
        raise suspended()
    return found


async def _stats(agency: str, tx: Tx) -> Stats:
    reached = await feeds.reached(tx.db, agency)
    oldest = await feeds.oldest_unread_at(tx.db, agency)
    waiting = (await feeds.unacknowledged(tx.db, tx.now, agency)).get(agency, feeds.Unacknowledged())
    return Stats(
        last_sequence=reached.last_seq,
        read_sequence=reached.read_seq,
        acknowledged_sequence=reached.acked_seq,
        lag_events=reached.last_seq - reached.read_seq,
        lag_seconds=max(0.0, (tx.now - oldest).total_seconds()) if oldest else 0,
        retractions_unacknowledged=waiting.number,
    )


@router.post("/ack", responses=refusals(409))
async def acknowledge(body: Acknowledgement, parts: ServiceParts, actor: Reader) -> Acknowledged:
    """Confirm having handled the feed up to a sequence; it never goes back."""
    async with parts.transaction(actor.name) as tx:
        acked = await _acknowledge(body.sequence, actor, tx)
    if acked is None:
        raise suspended()
    return Acknowledged(sequence=acked)


async def _acknowledge(sequence: int, actor: Actor, tx: Tx) -> int | None:
    partner = _active(await registry.partner(tx.db, actor.organisation), tx)
    if partner is None:
        return None
    reached = await feeds.reached(tx.db, partner.agency)
    if sequence > reached.read_seq:
        raise Problem(409, "not-read-yet", "This sequence has not been read.", read_sequence=reached.read_seq)
    if sequence > reached.acked_seq:
        await feeds.acknowledge(tx.db, partner.agency, sequence)
        tx.emit(FeedAcknowledged(agency=partner.agency, seq=sequence))
    return max(sequence, int(reached.acked_seq))
