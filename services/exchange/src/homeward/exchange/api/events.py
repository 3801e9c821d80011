"""A partner's feed over HTTP: pull, acknowledge."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from homeward.common.auth import Actor, require
from homeward.common.contracts import FeedAcknowledged, ReadDenied
from homeward.common.http import ServiceParts
from homeward.common.idempotency import lookup_key
from homeward.common.parts import Parts
from homeward.common.problems import Problem

from ..decide import Judge
from ..feed import Page, read_page
from ..pseudonyms import Pseudonyms
from ..store import feeds
from ..store import partners as registry
from .own import Body, TheJudge

router = APIRouter(prefix="/v1/events", tags=["events"])
Reader = Annotated[Actor, require("events:read")]
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


@router.get("")
async def pull(
    parts: ServiceParts,
    actor: Reader,
    judge: TheJudge,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
) -> Events:
    """The next events after ``cursor`` (from the beginning without one); waits up to ``wait`` seconds
    for one to come."""
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        page = await _page(parts, actor, judge, cursor, limit)
        if page.events or asyncio.get_running_loop().time() >= deadline:
            return Events(events=page.events, cursor=page.cursor, more=page.more)
        await asyncio.sleep(POLL_SECONDS)


async def _page(parts: Parts, actor: Actor, judge: Judge, cursor: str | None, limit: int) -> Page:
    async with parts.transaction(actor.name) as tx:
        partner = await registry.partner(tx.db, actor.organisation)
        if partner is not None and not partner.suspended:
            after = 0 if cursor is None else Pseudonyms(await lookup_key(tx), partner.agency).place(cursor)
            if after is None:
                error = {"field": "cursor", "code": "unknown_cursor", "detail": "Not a cursor of this feed."}
                raise Problem(422, "unknown-cursor", "Start again without a cursor.", errors=[error])
            return await read_page(
                partner.agency, partner.revision, after, limit, tx, judge, parts.settings.public_url
            )
        if partner is not None:
            tx.emit(ReadDenied(agency=partner.agency, problem="partner-suspended"))
    # Raised after the commit: the denial is recorded.
    raise Problem(403, "partner-suspended", "This organisation is not an active partner.")


@router.post("/ack")
async def acknowledge(body: Acknowledgement, parts: ServiceParts, actor: Reader) -> Acknowledged:
    """Confirm having handled the feed up to a sequence; it never goes back."""
    async with parts.transaction(actor.name) as tx:
        partner = await registry.partner(tx.db, actor.organisation)
        if partner is None or partner.suspended:
            raise Problem(403, "partner-suspended", "This organisation is not an active partner.")
        if body.sequence > partner.read_seq:
            raise Problem(
                409, "not-read-yet", "This sequence has not been read.", read_sequence=partner.read_seq
            )
        if body.sequence > partner.acked_seq:
            await feeds.acknowledge(tx.db, partner.agency, body.sequence)
            tx.emit(FeedAcknowledged(agency=partner.agency, seq=body.sequence))
    return Acknowledged(sequence=max(body.sequence, partner.acked_seq))
