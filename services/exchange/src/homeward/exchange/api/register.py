"""The register of consents, objections and holds: effective when the request commits."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from pydantic_core import PydanticCustomError

from homeward.common.auth import Actor, require
from homeward.common.contracts import (
    ConsentGranted,
    ConsentWithdrawn,
    Event,
    FieldClass,
    HoldLifted,
    HoldPlaced,
    ObjectionRaised,
    ObjectionWithdrawn,
)
from homeward.common.contracts.base import AgencyId
from homeward.common.contracts.intake import GivenBy, Purpose
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.ids import new_id
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from ..decide import decide_persons
from ..judge import Judge
from ..store import cases, register
from .own import Body, TheJudge

router = APIRouter(prefix="/v1", tags=["consents"], responses=refusals(404))
Reader = Annotated[Actor, require("consents:read")]
Writer = Annotated[Actor, require("consents:write")]


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("no_such_time", "there is no such time in UTC") from None


class NewConsent(Body):
    """A consent: one purpose, one recipient, exactly these classes."""

    person_id: UUID
    purpose: Purpose
    recipient: AgencyId
    classes: list[FieldClass] = Field(min_length=1)
    given_by: GivenBy
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None


class Withdrawal(Body):
    """Which consents of a person are withdrawn: one by id, or all that match."""

    person_id: UUID
    consent_id: UUID | None = None
    recipient: AgencyId | None = None
    purpose: Purpose | None = None


class Restriction(Body):
    """Whom a hold or objection keeps out."""

    person_id: UUID
    recipient: AgencyId


class Consent(BaseModel):
    """A consent and whether it holds."""

    consent_id: UUID
    recipient: str
    purpose: str
    classes: list[str]
    given_by: str
    obtained_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None


class Consents(BaseModel):
    """Consents of one person."""

    person_id: UUID
    consents: list[Consent]


class Done(BaseModel):
    """That the register says so now; false if it did before."""

    person_id: UUID
    changed: bool


@router.get("/consents")
async def list_consents(person_id: UUID, parts: ServiceParts, actor: Reader) -> Consents:
    """All consents ever given for a person, or with a report about them."""
    async with parts.transaction(actor.name) as tx:
        await _known(person_id, tx)
        return _consents(person_id, await register.consents_of(tx.db, person_id))


@router.post("/consents", status_code=201, response_model=Consent, responses=refusals(410))
async def grant(
    body: NewConsent, request: Request, parts: ServiceParts, actor: Writer, judge: TheJudge,
    key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """Register a consent."""
    async with parts.transaction(actor.name) as tx:

        async def work() -> Consent:
            if await _changing(body.person_id, tx) == "erased":
                raise Problem(410, "person-erased", "This person was erased.")
            _in_the_future(body.expires_at, tx)
            consent_id = new_id()
            classes = sorted(set(body.classes))
            row = body.model_dump(mode="python") | {"consent_id": consent_id, "obtained_at": tx.now}
            row["classes"] = [str(name) for name in classes]
            await register.add_consents(tx.db, [row])
            tx.emit(
                ConsentGranted(
                    **body.model_dump(exclude={"classes"}), consent_id=consent_id, classes=tuple(classes)
                )
            )
            await decide_persons([body.person_id], tx, judge)
            return Consent.model_validate(row | {"withdrawn_at": None})

        return await answer_once(tx, request, key, work)


@router.post("/consents/withdrawals", response_model=Consents)
async def withdraw(
    body: Withdrawal, request: Request, parts: ServiceParts, actor: Writer, judge: TheJudge,
    key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """Withdraw consents. When this answers, no feed serves what rested on them, and what partners
    were given is retracted."""
    async with parts.transaction(actor.name) as tx:

        async def work() -> Consents:
            await _changing(body.person_id, tx)
            withdrawn = await register.withdraw(
                tx.db, body.person_id, tx.now, consent_id=body.consent_id,
                recipient=body.recipient, purpose=body.purpose,
            )  # fmt: skip
            for row in withdrawn:
                tx.emit(
                    ConsentWithdrawn(
                        person_id=body.person_id, recipient=row.recipient, consent_id=row.consent_id,
                        purpose=row.purpose,
                    )
                )  # fmt: skip
            await decide_persons([body.person_id], tx, judge)
            return _consents(body.person_id, withdrawn)

        return await answer_once(tx, request, key, work, status=200)


_EVENTS: dict[tuple[str, bool], type[Event]] = {
    ("hold", True): HoldPlaced,
    ("hold", False): HoldLifted,
    ("objection", True): ObjectionRaised,
    ("objection", False): ObjectionWithdrawn,
}


@router.post("/holds")
async def place_hold(body: Restriction, parts: ServiceParts, actor: Writer, judge: TheJudge) -> Done:
    """Keep everything about a person from a recipient, for safety's sake."""
    return await _restrict(body, parts, actor, judge, "hold", placed=True)


@router.post("/holds/lift")
async def lift_hold(body: Restriction, parts: ServiceParts, actor: Writer, judge: TheJudge) -> Done:
    """End a hold."""
    return await _restrict(body, parts, actor, judge, "hold", placed=False)


@router.post("/objections")
async def raise_objection(body: Restriction, parts: ServiceParts, actor: Writer, judge: TheJudge) -> Done:
    """The person objects to a recipient being told anything."""
    return await _restrict(body, parts, actor, judge, "objection", placed=True)


@router.post("/objections/withdraw")
async def withdraw_objection(body: Restriction, parts: ServiceParts, actor: Writer, judge: TheJudge) -> Done:
    """The person objects no longer."""
    return await _restrict(body, parts, actor, judge, "objection", placed=False)


async def _restrict(
    body: Restriction, parts: ServiceParts, actor: Actor, judge: Judge,
    kind: Literal["hold", "objection"], *, placed: bool,
) -> Done:  # fmt: skip
    async with parts.transaction(actor.name) as tx:
        await _changing(body.person_id, tx)
        if placed:
            changed = await register.restrict(tx.db, body.person_id, body.recipient, kind, tx.now)
        else:
            changed = await register.unrestrict(tx.db, body.person_id, body.recipient, kind)
        if changed:
            tx.emit(_EVENTS[kind, placed](person_id=body.person_id, recipient=body.recipient))
        await decide_persons([body.person_id], tx, judge)
    return Done(person_id=body.person_id, changed=changed)


def _in_the_future(at: datetime | None, tx: Tx) -> None:
    if at is not None and at <= tx.now:
        errors = [{"field": "expires_at", "code": "past", "detail": "This consent would be over already."}]
        raise Problem(422, "invalid-request", "Some fields are not valid; see errors.", errors=errors)


async def _known(person_id: UUID, tx: Tx) -> str:
    state = await cases.state_of(tx.db, person_id)
    if state is None:
        raise Problem(404, "not-found", "There is no such person.")
    return state


async def _changing(person_id: UUID, tx: Tx) -> str:
    """Take the person's row before its facts change; ``known`` or ``erased``."""
    await cases.lock(tx.db, [person_id])
    await cases.revise(tx.db, [person_id])
    return await _known(person_id, tx)


def _consents(person_id: UUID, rows: Sequence[Any]) -> Consents:
    return Consents(
        person_id=person_id, consents=[Consent.model_validate(dict(row._mapping)) for row in rows]
    )
