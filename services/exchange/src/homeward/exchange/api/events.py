"""A partner's feed over HTTP: pull, acknowledge."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from pydantic_core import PydanticCustomError

from homeward.common.auth import Actor
from homeward.common.contracts import FeedAcknowledged
from homeward.common.http import ServiceParts
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from ..bell import Waiting
from ..feed import Page
from ..reading import Start, active, suspended
from ..store import feeds
from ..store import partners as registry
from . import accept
from .own import Body, TheBell
from .reading import Reader, TheReading

router = APIRouter(prefix="/v1/events", tags=["events"])


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


Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=1_000)]


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("out_of_range", "beyond the years 1 to 9999") from None


FromTime = Annotated[AwareDatetime | None, AfterValidator(lambda at: at and _in_utc(at)), Query(alias="from")]


@router.get("", response_model=Events, responses={200: {**accept.DOCUMENTED}, **refusals(406, 410)})
async def pull(
    request: Request,
    actor: Reader,
    reading: TheReading,
    bell: TheBell,
    cursor: Cursor = None,
    from_time: FromTime = None,
    limit: Limit = 100,
    wait: Annotated[int, Query(ge=0, le=30)] = 0,
) -> Response:
    """The next events after ``cursor``, or from the time ``from`` on, or from the beginning; waits up to
    ``wait`` seconds for one to come.

    ``Accept`` chooses the form. In the forms that have no place for them, ``cursor`` and ``more`` are in the
    headers ``Homeward-Cursor`` and ``Homeward-More``, as they are in all.
    """
    media = accept.wanted(", ".join(request.headers.getlist("accept")))
    start = one_start(cursor, from_time)
    ends = asyncio.get_running_loop().time() + wait
    while True:
        page = await reading.page(start, limit)
        left = ends - asyncio.get_running_loop().time()
        if page.events or left <= 0:
            return accept.answer(page, media)
        start = page.cursor
        if await bell.rings(waiting(actor, page), left) is False:
            raise revoked()


def one_start(cursor: str | None, from_time: datetime | None) -> Start:
    """Where to begin; 422 if it is said twice."""
    if cursor is not None and from_time is not None:
        error = {"field": "from", "code": "two_starts", "detail": "Send cursor or from, not both."}
        raise Problem(422, "invalid-request", "Some fields are not valid; see errors.", errors=[error])
    return from_time if cursor is None else cursor


def waiting(actor: Actor, page: Page) -> Waiting:
    """The actor, who has had this page."""
    return Waiting(actor.organisation, actor.client_id, actor.key, page.last)


def revoked() -> Problem:
    """Whoever waits with a token whose key was revoked meanwhile."""
    return Problem(
        401,
        "token-refused",
        "The access token was refused: revoked_key.",
        authenticate='DPoP error="invalid_token", error_description="revoked_key"',
    )


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
