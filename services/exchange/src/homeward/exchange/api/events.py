"""A partner's feed over HTTP: pull, acknowledge."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from homeward.common.auth import Actor
from homeward.common.contracts import FeedAcknowledged
from homeward.common.http import ServiceParts
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.sealing import canonical
from homeward.common.tx import Tx

from ..domain import Partner
from ..feed import Page, read_page
from ..pseudonyms import Pseudonyms
from ..store import feeds, pages
from ..store import partners as registry
from ..store.pages import Stretch
from .own import Body, suspended
from .reading import Reader, TheReading, active

router = APIRouter(prefix="/v1/events", tags=["events"])
POLL_SECONDS = 0.2


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
    reading: TheReading,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
) -> Response:
    """The next events after ``cursor`` (from the beginning without one); waits up to ``wait`` seconds
    for one to come."""
    deadline = asyncio.get_running_loop().time() + wait
    source = f"{reading.parts.settings.public_url}/v1/events"

    async def show(partner: Partner, stretch: Stretch, names: Pseudonyms, tx: Tx) -> Page:
        return await read_page(partner, stretch, names, tx, reading.judge, source)

    while True:
        page = await reading.read(cursor, limit, pages.hold, show)
        if not page.empty or asyncio.get_running_loop().time() >= deadline:
            return _answer(page)
        await asyncio.sleep(POLL_SECONDS)


def _answer(page: Page) -> Response:
    """:class:`Events`, its events byte for byte as they were recorded."""
    rest = canonical({"cursor": page.cursor, "more": page.more})
    content = b'{"events":%b,%b' % (page.events, rest.removeprefix(b"{"))
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/stats")
async def stats(parts: ServiceParts, actor: Reader) -> Stats:
    """How far the partner has got with its feed: counted over what it may read, so that nothing else can be
    told from it."""
    async with parts.transaction(actor.name) as tx:
        partner = active(await registry.partner(tx.db, actor.organisation), tx)
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
    partner = active(await registry.partner(tx.db, actor.organisation), tx)
    if partner is None:
        return None
    reached = await feeds.reached(tx.db, partner.agency)
    if sequence > reached.read_seq:
        raise Problem(409, "not-read-yet", "This sequence has not been read.", read_sequence=reached.read_seq)
    if sequence > reached.acked_seq:
        await feeds.acknowledge(tx.db, partner.agency, sequence)
        tx.emit(FeedAcknowledged(agency=partner.agency, seq=sequence))
    return max(sequence, int(reached.acked_seq))
