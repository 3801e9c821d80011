"""The life of a partner: it tries out, goes live, and one day leaves. And its keys are lost, sometimes."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from homeward.common.auth import Actor, require
from homeward.common.contracts import Farewell, PartnerStageChanged
from homeward.common.contracts.base import AgencyId
from homeward.common.http import ServiceParts
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from .. import access, domain
from ..reading import suspended
from ..sandbox import make_up, take_back
from ..store import clients, feeds
from ..store import partners as registry
from .own import Body, Keys, Name, TheJudge, keys_of, registered

router = APIRouter(tags=["partners"])
Reader = Annotated[Actor, require("partners:read")]
Writer = Annotated[Actor, require("partners:write")]
Partner = Annotated[Actor, require("events:read")]


class Closing(Body):
    """Why a partner is let go, though it has not confirmed everything; needed only then."""

    reason: Name | None = None


class Certificate(Farewell):
    """What a partner that leaves was given, and what it has confirmed to have let go of."""

    agency: str
    leaving_since: datetime
    left_at: datetime | None
    standing: int
    """Releases that are yet to be taken back."""
    event_id: UUID | None
    """The event in the log that says so."""


class MadeUp(BaseModel):
    """The partner's feed has got so far."""

    last_sequence: int


@router.post("/v1/partners/{agency}/go-live", responses=refusals(409))
async def go_live(agency: AgencyId, parts: ServiceParts, actor: Writer) -> MadeUp:
    """Out of the sandbox: the made-up people are taken back, and what the partner may see of real ones comes
    in the background."""
    async with parts.transaction(actor.name) as tx:
        await registry.change(tx.db)
        row = await _here(agency, tx)
        if row.sandbox:
            await _enter(agency, "live", tx, sandbox=False)
            await registry.start_sweep(tx.db, "partner went live", tx.now)
        return MadeUp(last_sequence=row.last_seq)


@router.post("/v1/partners/{agency}/revoke")
async def revoke(agency: AgencyId, parts: ServiceParts, actor: Writer) -> Keys:
    """All keys of the partner are refused from now on, and all tokens that were got by them; it stays a
    partner, and gets in again by a new key (``rotate-key``)."""
    async with parts.transaction(actor.name) as tx:
        await registered(agency, tx)
        await clients.client(tx.db, agency, lock=True)
        await access.revoke_all(agency, tx)
        return Keys(keys=keys_of(await clients.keys(tx.db, agency)))


@router.post("/v1/partners/{agency}/offboard", responses=refusals(409))
async def offboard(agency: AgencyId, parts: ServiceParts, actor: Writer) -> Certificate:
    """The partner leaves: from now on it is given nothing more, and all that it has is taken back. It goes on
    reading its feed, and acknowledges."""
    async with parts.transaction(actor.name) as tx:
        await registry.change(tx.db)
        row = await _here(agency, tx)
        if row.leaving_since is None:
            await _enter(agency, "leaving", tx, leaving_since=tx.now)
            await registry.start_sweep(tx.db, "partner leaves", tx.now)
        return await _certificate(agency, tx)


@router.post("/v1/partners/{agency}/close", responses=refusals(409))
async def close(agency: AgencyId, body: Closing, parts: ServiceParts, actor: Writer) -> Certificate:
    """The partner has left: its keys are refused for ever. Only once all was taken back and it has
    acknowledged that; without its acknowledgement with a reason."""
    async with parts.transaction(actor.name) as tx:
        await registry.change(tx.db)
        row = await registered(agency, tx)
        if row.left_at is None:
            await _close(await _certificate(agency, tx), body.reason, tx)
        return await _certificate(agency, tx)


@router.get("/v1/partners/{agency}/certificate")
async def certificate(agency: AgencyId, parts: ServiceParts, actor: Reader) -> Certificate:
    """What a partner that leaves has confirmed; and when it has left, where the log says so."""
    async with parts.transaction(actor.name) as tx:
        return await _certificate(agency, tx)


@router.post("/v1/own/sandbox/reports", responses=refusals(409))
async def try_report(parts: ServiceParts, actor: Partner, judge: TheJudge) -> MadeUp:
    """One more made-up person is reported to you. For partners in the sandbox."""
    async with parts.transaction(actor.name) as tx:
        await make_up(await _in_sandbox(actor, tx), 1, tx, judge)
        return await _reached(actor, tx)


@router.post("/v1/own/sandbox/withdrawals", responses=refusals(409))
async def try_withdrawal(parts: ServiceParts, actor: Partner, judge: TheJudge) -> MadeUp:
    """One of the made-up people withdraws the consent: you get retractions. For partners in the sandbox."""
    async with parts.transaction(actor.name) as tx:
        if not await take_back(await _in_sandbox(actor, tx), tx, judge):
            raise Problem(409, "nobody-left", "Everybody has withdrawn. Have another person reported first.")
        return await _reached(actor, tx)


async def _close(found: Certificate, reason: str | None, tx: Tx) -> None:
    if found.standing:
        raise Problem(
            409, "still-retracting", "What the partner has is still being taken back. Wait a while."
        )
    if found.unacknowledged and reason is None:
        detail = "The partner has not acknowledged all retractions. Close it without that only with a reason."
        raise Problem(409, "not-acknowledged", detail, unacknowledged=found.unacknowledged)
    await clients.client(tx.db, found.agency, lock=True)
    await access.revoke_all(found.agency, tx)
    revision = await registry.change_stage(tx.db, found.agency, left_at=tx.now, suspended=True)
    farewell = Farewell.model_validate(found.model_dump(include=set(Farewell.model_fields)))
    event_id = tx.emit(
        PartnerStageChanged(
            agency=found.agency, stage="left", revision=revision, farewell=farewell, reason=reason
        )
    )
    await registry.note_farewell(tx.db, found.agency, event_id)


async def _certificate(agency: str, tx: Tx) -> Certificate:
    row = await registered(agency, tx)
    if row.leaving_since is None:
        raise Problem(404, "not-found", "This partner is not leaving.")
    releases, standing, retractions = await feeds.farewell(tx.db, agency)
    waiting = (await feeds.unacknowledged(tx.db, tx.now, agency)).get(agency, feeds.Unacknowledged())
    return Certificate(
        agency=agency,
        leaving_since=row.leaving_since,
        left_at=row.left_at,
        releases=releases,
        standing=standing,
        retractions=retractions,
        unacknowledged=waiting.number,
        acknowledged_sequence=row.acked_seq,
        last_sequence=row.last_seq,
        event_id=row.left_event,
    )


async def _enter(agency: str, stage: str, tx: Tx, **values: object) -> None:
    revision = await registry.change_stage(tx.db, agency, **values)
    told = {"agency": agency, "stage": stage, "revision": revision}
    tx.emit(PartnerStageChanged.model_validate(told))


async def _here(agency: str, tx: Tx) -> Any:
    """Its row, unless it has left for good."""
    row = await registered(agency, tx)
    if row.left_at is not None:
        raise Problem(409, "partner-left", "This partner has left. Register it anew, by another id.")
    return row


async def _in_sandbox(actor: Actor, tx: Tx) -> domain.Partner:
    row = await registry.partner(tx.db, actor.organisation)
    if row is None or row.suspended:
        raise suspended()
    if registry.stage_of(row) != "sandbox":
        raise Problem(409, "not-a-sandbox", "This partner is live: people are not made up for it.")
    return registry.partner_of(row)


async def _reached(actor: Actor, tx: Tx) -> MadeUp:
    return MadeUp(last_sequence=(await feeds.reached(tx.db, actor.organisation)).last_seq)
