"""The registry of partners: an operator adds one with its public key."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from homeward.common.auth import Actor, require
from homeward.common.contracts import FieldClass, PartnerChanged, PartnerProfile, PartnerStageChanged
from homeward.common.contracts.base import AgencyId, Country
from homeward.common.contracts.intake import Purpose
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from .. import access
from ..judge import Judge
from ..sandbox import AT_FIRST, make_up
from ..store import clients, feeds
from ..store import partners as registry
from .own import (
    Body,
    Credential,
    Keys,
    Kid,
    Name,
    TheFederation,
    TheJudge,
    TheSettings,
    credential_of,
    keys_of,
    registered,
)

router = APIRouter(prefix="/v1/partners", tags=["partners"])
Reader = Annotated[Actor, require("partners:read")]
Writer = Annotated[Actor, require("partners:write")]
Change = Literal["registered", "suspended", "resumed", "key-rotated"]
Dpop = Literal["required", "optional"]
Kind = Literal[
    "NGO", "LawEnforcement", "HealthServiceOrganisation", "CentralGovernmentOrganisation",
    "LocalGovernmentOrganisation", "ImmigrationService", "LegalService",
]  # fmt: skip


class NewPartner(Credential):
    """A partner to be registered. Kinds are HTCDS ``org_Type``."""

    agency: AgencyId
    name: Name
    kind: Kind
    country: Country
    data_home: Country
    purposes: frozenset[Purpose] = Field(min_length=1)
    clearance: frozenset[FieldClass] = Field(min_length=1)
    accredited: bool = False
    dpop: Dpop = "required"
    """Whether its tokens must be bound to a key (RFC 9449); optional only for who cannot do that yet."""
    sandbox: bool = False
    """Whether it only tries out, with made-up people, until it goes live."""


class Proving(Body):
    """Whether tokens must be bound to a key."""

    dpop: Dpop


class Partner(BaseModel):
    """A registered partner and how far its feed has got."""

    agency: str
    name: str
    kind: str
    country: str
    data_home: str
    purposes: list[str]
    clearance: list[str]
    accredited: bool
    suspended: bool
    stage: registry.Stage
    revision: int
    last_seq: int
    read_seq: int
    acked_seq: int
    registered_at: datetime
    dpop: Dpop


class Followed(Partner):
    """A partner, and the retractions and erasures that it is yet to acknowledge."""

    retractions_unacknowledged: int
    retractions_overdue: int
    """Those that wait for longer than they may."""
    oldest_unacknowledged_at: datetime | None


class Partners(BaseModel):
    """All partners."""

    partners: list[Followed]


@router.post("", status_code=201, response_model=Partner, responses=refusals(409))
async def add(
    body: NewPartner,
    request: Request,
    parts: ServiceParts,
    actor: Writer,
    judge: TheJudge,
    federation: TheFederation,
    key: IdempotencyKey = None,
) -> Response:
    """Register a partner. What it may see of what is there already is decided in the background."""
    kid, jwk = credential_of(body, federation)

    async with parts.transaction(actor.name) as tx:

        async def work() -> Partner:
            await registry.change(tx.db)
            row = body.model_dump(mode="json", exclude={"public_jwk", "vouched", "dpop"}) | {
                "purposes": sorted(body.purposes),
                "clearance": sorted(body.clearance),
                "registered_at": tx.now,
            }
            added = await registry.add_partner(tx.db, row)
            if not added or not await clients.add_client(
                tx.db, body.agency, body.agency, "partner", body.dpop
            ):
                raise Problem(409, "agency-taken", "A partner or client of this name is registered already.")
            await access.must_be_free(kid, jwk, body.agency, tx)
            await clients.put_key(tx.db, body.agency, kid, jwk, tx.now)
            await registry.start_sweep(tx.db, "partner registered", tx.now)
            shown = await _changed(body.agency, "registered", tx)
            await access.tell(body.agency, "registered", tx)
            if body.sandbox:
                await _make_up(body.agency, shown.revision, tx, judge)
            return await _shown(body.agency, tx)

        return await answer_once(tx, request, key, work)


@router.get("")
async def all_partners(parts: ServiceParts, actor: Reader, settings: TheSettings) -> Partners:
    """All partners, how far their feeds have got, and who is yet to confirm what was taken back."""
    bound = timedelta(seconds=settings.acknowledge_within_seconds)
    async with parts.engine.connect() as db:
        rows = await registry.all_partners(db)
        waiting = await feeds.unacknowledged(db, parts.clock() - bound)
    return Partners(
        partners=[_followed(row, waiting.get(row.agency, feeds.Unacknowledged())) for row in rows]
    )


def _followed(row: Any, waiting: feeds.Unacknowledged) -> Followed:
    return Followed(
        **_partner(row).model_dump(),
        retractions_unacknowledged=waiting.number,
        retractions_overdue=waiting.overdue,
        oldest_unacknowledged_at=waiting.oldest_at,
    )


def _partner(row: Any) -> Partner:
    return Partner.model_validate({**row._mapping, "stage": registry.stage_of(row)})


@router.get("/{agency}")
async def show(agency: AgencyId, parts: ServiceParts, actor: Reader) -> Partner:
    """One partner."""
    async with parts.transaction(actor.name) as tx:
        return await _shown(agency, tx)


@router.post("/{agency}/suspend")
async def suspend(agency: AgencyId, parts: ServiceParts, actor: Writer) -> Partner:
    """From now on this partner reads nothing and nothing is decided for it."""
    return await _suspend(agency, parts, actor, suspended=True)


@router.post("/{agency}/resume", responses=refusals(409))
async def resume(agency: AgencyId, parts: ServiceParts, actor: Writer) -> Partner:
    """The partner reads again; what happened meanwhile is decided in the background."""
    return await _suspend(agency, parts, actor, suspended=False)


@router.post("/{agency}/rotate-key", responses=refusals(409))
async def rotate_key(
    agency: AgencyId, body: Credential, parts: ServiceParts, actor: Writer, federation: TheFederation
) -> Partner:
    """Replace the partner's keys by this one; the old ones get no more tokens, and those that they got are
    refused."""
    kid, jwk = credential_of(body, federation)
    async with parts.transaction(actor.name) as tx:
        await _locked(agency, tx)
        await access.must_be_free(kid, jwk, agency, tx)
        await access.replace_keys(agency, kid, jwk, tx)
        return await _changed(agency, "key-rotated", tx)


@router.get("/{agency}/keys")
async def partners_keys(agency: AgencyId, parts: ServiceParts, actor: Reader) -> Keys:
    """The partner's keys, the newest first, those that have ended included."""
    async with parts.transaction(actor.name) as tx:
        await _shown(agency, tx)
        return Keys(keys=keys_of(await clients.keys(tx.db, agency)))


@router.post("/{agency}/keys/{kid}/revoke")
async def revoke_key(agency: AgencyId, kid: Kid, parts: ServiceParts, actor: Writer) -> Keys:
    """A key is not its owner's alone any more: from now on it is refused, and every token that was got by
    it, by exchange at once and everywhere within seconds."""
    async with parts.transaction(actor.name) as tx:
        await _locked(agency, tx)
        await access.revoke_key(agency, kid, tx)
        return Keys(keys=keys_of(await clients.keys(tx.db, agency)))


@router.post("/{agency}/dpop")
async def set_dpop(agency: AgencyId, body: Proving, parts: ServiceParts, actor: Writer) -> Partner:
    """Whether the partner's tokens must be bound to a key; it holds for the tokens to come."""
    async with parts.transaction(actor.name) as tx:
        await _locked(agency, tx)
        await clients.put_client(tx.db, agency, agency, "partner", body.dpop)
        await access.tell(agency, "dpop-changed", tx)
        return await _shown(agency, tx)


async def _suspend(agency: str, parts: ServiceParts, actor: Actor, *, suspended: bool) -> Partner:
    async with parts.transaction(actor.name) as tx:
        if not suspended:
            await registry.change(tx.db)
            if (await _shown(agency, tx)).stage == "left":
                raise Problem(409, "partner-left", "This partner has left. Register it anew, by another id.")
        changed = await registry.set_suspended(tx.db, agency, suspended)
        if changed is None:
            return await _shown(agency, tx)
        if not suspended:
            await registry.start_sweep(tx.db, "partner resumed", tx.now)
        return await _changed(agency, "suspended" if suspended else "resumed", tx)


async def _make_up(agency: str, revision: int, tx: Tx, judge: Judge) -> None:
    """Say that the partner only tries out, and make up people for it."""
    tx.emit(PartnerStageChanged(agency=agency, stage="sandbox", revision=revision))
    row = await registry.partner(tx.db, agency)
    if row is not None:
        await make_up(registry.partner_of(row), AT_FIRST, tx, judge)


async def _changed(agency: str, change: Change, tx: Tx) -> Partner:
    """Say what the partner is from now on."""
    shown = await _shown(agency, tx)
    keys = await clients.good_keys(tx.db, agency, tx.now)
    known = shown.model_dump(include=set(PartnerProfile.model_fields))
    profile = PartnerProfile.model_validate({**known, "public_jwk": keys[0].jwk if keys else {}})
    tx.emit(PartnerChanged(agency=agency, change=change, revision=shown.revision, profile=profile))
    return shown


async def _locked(agency: str, tx: Tx) -> None:
    """404, or nobody else changes how this partner asks for tokens until the transaction ends."""
    await _shown(agency, tx)
    await clients.client(tx.db, agency, lock=True)


async def _shown(agency: str, tx: Tx) -> Partner:
    return _partner(await registered(agency, tx))
