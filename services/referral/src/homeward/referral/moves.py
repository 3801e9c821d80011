"""The moves of a referral over HTTP: the receiver accepts, rejects, completes; the asker revokes."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from homeward.common.auth import Actor, require
from homeward.common.contracts import (
    Event,
    ReferralAccepted,
    ReferralCompleted,
    ReferralRejected,
    ReferralRevoked,
)
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.openapi import refusals
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from . import store
from .domain import IllegalMove, Move, State, moved, outcome_fits
from .forms import Completing, Referral, Rejecting

router = APIRouter(prefix="/v1/referrals/{referral_id}", tags=["referral"], responses=refusals(409))
Receiver = Annotated[Actor, require("referrals:respond")]
Asker = Annotated[Actor, require("referrals:write")]


@router.post("/accept", response_model=Referral)
async def accept(
    referral_id: UUID, request: Request, parts: ServiceParts, actor: Receiver, key: IdempotencyKey = None
) -> Response:
    """The receiving agency takes it on."""
    return await _move(parts, request, key, actor, referral_id, Move.ACCEPT, ReferralAccepted)


@router.post("/reject", response_model=Referral)
async def reject(
    referral_id: UUID,
    body: Rejecting,
    request: Request,
    parts: ServiceParts,
    actor: Receiver,
    key: IdempotencyKey = None,
) -> Response:
    """The receiving agency does not take it on."""
    return await _move(
        parts, request, key, actor, referral_id, Move.REJECT, ReferralRejected, reason=body.reason
    )


@router.post("/complete", response_model=Referral)
async def complete(
    referral_id: UUID,
    body: Completing,
    request: Request,
    parts: ServiceParts,
    actor: Receiver,
    key: IdempotencyKey = None,
) -> Response:
    """The receiving agency gave the services, or could not."""
    if not outcome_fits(body.outcome, body.reason):
        error = {
            "field": "reason",
            "code": "outcome_mismatch",
            "detail": "A reason belongs to an outcome that is not successful, and only there.",
        }
        raise Problem(422, "invalid-request", "Some fields are not valid; see errors.", errors=[error])
    outcome = {"outcome": body.outcome, "reason": body.reason}
    return await _move(parts, request, key, actor, referral_id, Move.COMPLETE, ReferralCompleted, **outcome)


@router.post("/revoke", response_model=Referral)
async def revoke(
    referral_id: UUID, request: Request, parts: ServiceParts, actor: Asker, key: IdempotencyKey = None
) -> Response:
    """The asking organisation takes it back; what it disclosed is retracted."""
    return await _move(parts, request, key, actor, referral_id, Move.REVOKE, ReferralRevoked)


async def _move(
    parts: Parts,
    request: Request,
    key: str | None,
    actor: Actor,
    referral_id: UUID,
    move: Move,
    event: Callable[..., Event],
    **said: Any,
) -> Response:
    """Make one move and say so; ``said`` are the columns, and the event's fields, that come with it."""
    async with parts.transaction(actor.name) as tx:

        async def work() -> Referral:
            case, referral = await _locked(tx, referral_id, None if move is Move.REVOKE else actor)
            try:
                state = moved(State(referral.state), move)
            except IllegalMove as illegal:
                raise Problem(
                    409,
                    "illegal-move",
                    "The referral does not move so from where it stands.",
                    state=illegal.state,
                    allowed=illegal.allowed,
                ) from None
            if case.closed_at is not None:
                raise Problem(409, "case-closed", "The case is closed.")
            tx.emit(
                event(
                    case_id=case.case_id,
                    person_id=case.person_id,
                    referral_id=referral_id,
                    receiving_agency=referral.receiving_agency,
                    **said,
                )
            )
            await store.move_referral(tx.db, referral_id, state=state, moved_at=tx.now, **said)
            now = await store.referral(tx.db, referral_id)
            return Referral.of(now, to_partner=move is not Move.REVOKE)

        return await answer_once(tx, request, key, work, status=200)


async def _locked(tx: Tx, referral_id: UUID, receiver: Actor | None) -> tuple[store.Row, store.Row]:
    """The case and the referral, locked in this order; 404 also for who is not its receiver."""
    found = await store.referral(tx.db, referral_id)
    if found is not None and (receiver is None or receiver.organisation == found.receiving_agency):
        case = await store.case(tx.db, found.case_id, lock=True)
        referral = await store.referral(tx.db, referral_id, lock=True)
        if case is not None and referral is not None:
            return case, referral
    raise Problem(404, "not-found", "There is no such referral.")
