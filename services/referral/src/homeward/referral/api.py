"""Referral over HTTP: cases, and referrals from the asking to the receiving organisation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.auth import Actor, authenticated, require
from homeward.common.contracts import ReferralOpened
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.ids import new_id
from homeward.common.openapi import refusals
from homeward.common.problems import Problem

from . import store
from .domain import State, respond_by
from .forms import Case, Cases, Opening, Referral, Referrals

router = APIRouter(prefix="/v1", tags=["referral"])
CASEWORKER, RECEIVER = "cases:read", "referrals:respond"
Caseworker = Annotated[Actor, require(CASEWORKER)]


async def _reader(actor: Annotated[Actor, Depends(authenticated)]) -> Actor:
    if not actor.scopes & {CASEWORKER, RECEIVER}:
        raise Problem(403, "scope-missing", f"This needs the scope {CASEWORKER} or {RECEIVER}.")
    return actor


Reader = Annotated[Actor, Depends(_reader)]
"""A caseworker, or the receiving agency, which sees its own referrals and no other."""


@router.get("/cases/{case_id}")
async def case(case_id: UUID, parts: ServiceParts, actor: Caseworker) -> Case:
    """A case with its referrals."""
    async with parts.engine.connect() as db:
        return await _case(db, await store.case(db, case_id))


@router.get("/cases")
async def cases(person_id: UUID, parts: ServiceParts, actor: Caseworker) -> Cases:
    """The case of a person."""
    async with parts.engine.connect() as db:
        found = await store.case_of(db, person_id)
        return Cases(cases=[await _case(db, found)] if found else [])


@router.post("/cases/{case_id}/referrals", status_code=201, response_model=Referral, responses=refusals(409))
async def open_referral(
    case_id: UUID,
    body: Opening,
    request: Request,
    parts: ServiceParts,
    actor: Annotated[Actor, require("referrals:write")],
    key: IdempotencyKey = None,
) -> Response:
    """Ask an agency for services; what is to be disclosed is named class by class."""
    async with parts.transaction(actor.name) as tx:

        async def work() -> Referral:
            found = await store.case(tx.db, case_id, lock=True)
            if found is None:
                raise Problem(404, "not-found", "There is no such case.")
            if found.closed_at is not None:
                raise Problem(409, "case-closed", "The case is closed.")
            referral_id, due = new_id(), respond_by(body.priority, tx.now)
            opened = ReferralOpened(
                case_id=case_id,
                person_id=found.person_id,
                referral_id=referral_id,
                receiving_agency=body.receiving_agency,
                classes=tuple(sorted(body.classes)),
                services=tuple(sorted(body.services)),
                priority=body.priority,
                respond_by=due,
                asking_organisation=actor.organisation,
            )
            tx.emit(opened)
            await store.add_referral(
                tx.db,
                referral_id=referral_id,
                case_id=case_id,
                receiving_agency=body.receiving_agency,
                asking_organisation=actor.organisation,
                classes=list(opened.classes),
                services=sorted(body.services),
                priority=body.priority,
                state=State.IN_PROGRESS,
                opened_at=tx.now,
                respond_by=due,
            )
            return Referral.of(await store.referral(tx.db, referral_id), to_partner=False)

        return await answer_once(tx, request, key, work)


@router.get("/referrals/{referral_id}", response_model_exclude_none=True)
async def referral(referral_id: UUID, parts: ServiceParts, actor: Reader) -> Referral:
    """A referral; for an agency that is not its receiver it is not there."""
    async with parts.engine.connect() as db:
        found = await store.referral(db, referral_id)
    own = _own_only(actor)
    if found is None or own not in {None, found.receiving_agency}:
        raise Problem(404, "not-found", "There is no such referral.")
    return Referral.of(found, to_partner=own is not None)


@router.get("/referrals", response_model_exclude_none=True)
async def referrals(
    parts: ServiceParts,
    actor: Reader,
    state: State | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Referrals:
    """Referrals by state: all for a caseworker, its own for an agency."""
    own = _own_only(actor)
    async with parts.engine.connect() as db:
        found = await store.find_referrals(db, state=state, agency=own, after=after, limit=limit)
    return Referrals(referrals=[Referral.of(row, to_partner=own is not None) for row in found])


def _own_only(actor: Actor) -> str | None:
    """The agency whose referrals alone ``actor`` may see; None for a caseworker."""
    return None if CASEWORKER in actor.scopes else actor.organisation


async def _case(db: AsyncConnection, found: store.Row | None) -> Case:
    if found is None:
        raise Problem(404, "not-found", "There is no such case.")
    rows = await store.referrals_of(db, found.case_id)
    return Case.model_validate(
        {**found._mapping, "referrals": [Referral.of(row, to_partner=False) for row in rows]}
    )
