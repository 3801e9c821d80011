"""A partner's webhook: where it wants to be told of its events."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import httpx
from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from pydantic_core import PydanticCustomError

from homeward.common.auth import Actor, require
from homeward.common.contracts import WebhookChanged
from homeward.common.http import ServiceParts
from homeward.common.idempotency import lookup_key
from homeward.common.ids import new_id
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.sealing import canonical
from homeward.common.tx import Tx

from .. import outbound, signing
from ..reading import suspended
from ..store import pages
from ..store import partners as registry
from ..store import webhooks as store
from ..webhooks import Webhooks
from .own import Body, TheJudge, TheSettings

router = APIRouter(prefix="/v1/own/webhook", tags=["webhook"])
TEST = "homeward.webhook.test.v1"


def _address(text: str) -> str:
    try:
        url = httpx.URL(text)
        good = url.scheme in {"http", "https"} and bool(url.host) and not url.userinfo and not url.fragment
    except (httpx.InvalidURL, ValueError):
        good = False
    if not good or not text.isascii():
        raise PydanticCustomError("not_an_address", "not an address (https://…) that can be posted to")
    return text


class Registration(Body):
    """Where to post, and what: ``full`` events as in the feed, or ``ids`` (their attributes without
    ``data``), for whom an event is to be fetched from the feed."""

    url: Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_address)]
    payload: Literal["full", "ids"] = "full"


class Webhook(BaseModel):
    """A webhook and how it goes. ``disabled`` says why nothing is sent any more: ``gone`` (it answered 410),
    ``failing`` (for days), ``feed-restored`` (the feed begins anew). While attempts fail, the next one is at
    ``next_attempt_at``."""

    url: str
    payload: str
    delivered_sequence: int
    last_sequence: int
    disabled: str | None
    failures: int
    failing_since: datetime | None
    last_problem: str | None
    next_attempt_at: datetime | None
    former_secret_until: datetime | None


class WithSecret(Webhook):
    """With the secret by which messages are signed (Standard Webhooks)."""

    secret: str


class Recovery(Body):
    """Send everything from this time on (again)."""

    since: AwareDatetime


class Tried(BaseModel):
    """Whether a message arrived; if not, why."""

    delivered: bool
    problem: str | None


async def _allowed(parts: ServiceParts, actor: Annotated[Actor, require("webhooks:write")]) -> Actor:
    """The partner who asks; 403 while it is suspended."""
    async with parts.engine.connect() as db:
        found = await registry.partner(db, actor.organisation)
    if found is None or found.suspended:
        raise suspended()
    return actor


Partner = Annotated[Actor, Depends(_allowed)]


@router.get("", responses=refusals(404))
async def own_webhook(parts: ServiceParts, actor: Partner) -> Webhook:
    """The webhook, and how it goes."""
    async with parts.transaction(actor.name) as tx:
        return await _shown(tx, actor)


@router.put("")
async def put_webhook(
    body: Registration, parts: ServiceParts, actor: Partner, settings: TheSettings
) -> WithSecret:
    """Have events be sent there: those from now on, or, if there was a webhook, from where that has got to;
    its secret stays. One that was disabled is sent to again."""
    url = httpx.URL(body.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await outbound.addresses_of(url.host, port, settings.webhook_networks)
        if url.scheme != "https" and not any(found[0] in network for network in settings.webhook_networks):
            raise outbound.NotSent("https-needed")
    except outbound.NotSent as error:
        errors = [{"field": "url", "code": error.slug, "detail": "Messages cannot be sent there."}]
        raise Problem(
            422, "invalid-request", "Some fields are not valid; see errors.", errors=errors
        ) from None
    async with parts.transaction(actor.name) as tx:
        epoch, end = await pages.end(tx.db, actor.organisation)
        row = {
            "agency": actor.organisation,
            **body.model_dump(),
            "secret_id": new_id(),
            "epoch": epoch,
            "seq": end,
            **_afresh(tx.now),
        }
        await store.put(tx.db, row, kept=("secret_id", "epoch", "seq"))
        tx.emit(WebhookChanged(agency=actor.organisation, change="set", host=url.host))
        return await _with_secret(tx, actor)


@router.delete("", status_code=204, responses=refusals(404))
async def remove_webhook(parts: ServiceParts, actor: Partner) -> Response:
    """Send nothing any more, and forget where to."""
    async with parts.transaction(actor.name) as tx:
        if not await store.remove(tx.db, actor.organisation):
            raise _none()
        tx.emit(WebhookChanged(agency=actor.organisation, change="removed"))
    return Response(status_code=204)


@router.post("/rotate-secret", responses=refusals(404, 409))
async def rotate_secret(parts: ServiceParts, actor: Partner, settings: TheSettings) -> WithSecret:
    """Another secret; for a day messages are signed by both, and the former one is good as well. Should the
    answer be lost, putting the webhook again tells the secret."""
    async with parts.transaction(actor.name) as tx:
        row = await _mine(tx, actor)
        if row.former_until and row.former_until > tx.now:
            # The one that would be let go is perhaps the only one that the partner knows.
            raise Problem(409, "rotation-under-way", "The former secret is good still.")
        until = tx.now + timedelta(seconds=settings.webhook_overlap_seconds)
        former = {"former_secret_id": row.secret_id, "former_until": until}
        await store.change(tx.db, row.agency, secret_id=new_id(), **former)
        tx.emit(WebhookChanged(agency=row.agency, change="secret-rotated"))
        return await _with_secret(tx, actor)


@router.post("/test", responses=refusals(404))
async def test_webhook(parts: ServiceParts, actor: Partner, judge: TheJudge, settings: TheSettings) -> Tried:
    """Send a message of type ``homeward.webhook.test.v1`` now, whatever else waits."""
    async with parts.transaction(actor.name) as tx:
        row = await _mine(tx, actor)
    message_id, now = str(new_id()), parts.clock()
    message = {
        "specversion": "1.0",
        "id": message_id,
        "source": f"{parts.settings.public_url}/v1/own/webhook",
        "type": TEST,
        "time": now.isoformat(),
    }
    try:
        await Webhooks(parts, judge, settings).deliver(row, message_id, canonical(message))
    except outbound.NotSent as error:
        return Tried(delivered=False, problem=error.slug)
    return Tried(delivered=True, problem=None)


@router.post("/recover", responses=refusals(404))
async def recover(body: Recovery, parts: ServiceParts, actor: Partner) -> Webhook:
    """Go back, or on, to a time, and send everything from there. One that was disabled is sent to again."""
    async with parts.transaction(actor.name) as tx:
        row = await _mine(tx, actor)
        epoch, seq = await pages.place_before(tx.db, row.agency, body.since)
        await store.change(tx.db, row.agency, seq=seq, epoch=epoch, **_afresh(tx.now))
        tx.emit(WebhookChanged(agency=row.agency, change="recovered"))
        return await _shown(tx, actor)


def _afresh(now: datetime) -> dict[str, Any]:
    return {
        "disabled": None, "failures": 0, "failing_since": None, "last_problem": None, "next_attempt_at": now,
    }  # fmt: skip


async def _mine(tx: Tx, actor: Actor) -> Any:
    row = await store.webhook(tx.db, actor.organisation, lock=True)
    if row is None:
        raise _none()
    return row


def _none() -> Problem:
    return Problem(404, "not-found", "There is no webhook.")


async def _shown(tx: Tx, actor: Actor) -> Webhook:
    row = await _mine(tx, actor)
    _, end = await pages.end(tx.db, actor.organisation)
    waits = row.failures and not row.disabled
    until = row.former_until if row.former_until and row.former_until > tx.now else None
    return Webhook(
        url=row.url,
        payload=row.payload,
        delivered_sequence=row.seq,
        last_sequence=end,
        disabled=row.disabled,
        failures=row.failures,
        failing_since=row.failing_since,
        last_problem=row.last_problem,
        next_attempt_at=row.next_attempt_at if waits else None,
        former_secret_until=until,
    )


async def _with_secret(tx: Tx, actor: Actor) -> WithSecret:
    row, shown = await _mine(tx, actor), await _shown(tx, actor)
    secret = signing.secret_of(await lookup_key(tx), row.agency, row.secret_id)
    return WithSecret(**shown.model_dump(), secret=signing.as_text(secret))
