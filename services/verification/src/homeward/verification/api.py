"""Verification over HTTP: persons, what is asserted about them, corrections, erasure."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.auth import Actor, require
from homeward.common.contracts import PersonRegistered, ReportUnlinked, StatusAsserted
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.ids import new_id
from homeward.common.openapi import refusals
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from . import matching_index as index
from . import store
from .domain import reason_is_due
from .forms import Asserting, Counts, Erasing, Erasure, Person, Persons, Rebuilding, Status, Unlinking
from .rebuild import rebuild

router = APIRouter(prefix="/v1", tags=["verification"])
Reader = Annotated[Actor, require("persons:read")]


@router.get("/persons/{person_id}")
async def person(person_id: UUID, parts: ServiceParts, actor: Reader) -> Person:
    """A person: the reports about them and the statuses asserted."""
    async with parts.engine.connect() as db:
        return await _person(db, person_id)


@router.get("/persons")
async def persons(report_id: UUID, parts: ServiceParts, actor: Reader) -> Persons:
    """The person a report is about."""
    async with parts.engine.connect() as db:
        found = await store.person_of(db, report_id)
        return Persons(persons=[await _person(db, found)] if found else [])


@router.get("/counts")
async def counts(parts: ServiceParts, actor: Reader) -> Counts:
    """Reports and persons side by side: never one number for the other."""
    async with parts.engine.connect() as db:
        return Counts.model_validate((await store.counts(db))._mapping)


@router.post("/persons/{person_id}/statuses", status_code=201, response_model=Status, responses=refusals(410))
async def assert_status(
    person_id: UUID,
    body: Asserting,
    request: Request,
    parts: ServiceParts,
    actor: Annotated[Actor, require("statuses:write")],
    key: IdempotencyKey = None,
) -> Response:
    """Assert a trafficking status; earlier assertions stay beside it."""
    if reason_is_due(body.trafficking_status) and not (body.reason or "").strip():
        error = {"field": "reason", "code": "missing", "detail": "This status needs a reason."}
        raise Problem(422, "invalid-request", "Some fields are not valid; see errors.", errors=[error])
    async with parts.transaction(actor.name) as tx:

        async def work() -> Status:
            await _lock_living(tx, person_id)
            status = Status(
                assertion_id=new_id(),
                person_id=person_id,
                trafficking_status=body.trafficking_status,
                deciding_organisation=body.deciding_organisation,
                asserted_at=tx.now,
            )
            said = status.model_dump()
            event_id = tx.emit(StatusAsserted(**said, reason=body.reason))
            await store.add_status(tx.db, **said, event_id=event_id, actor=tx.actor)
            return status

        return await answer_once(tx, request, key, work)


@router.post("/persons/{person_id}/erase", status_code=202, response_model=Erasure, responses=refusals(410))
async def erase(
    person_id: UUID,
    request: Request,
    parts: ServiceParts,
    actor: Annotated[Actor, require("subjects:erase")],
    body: Erasing | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Destroy the keys of a person and of all reports about them, for ever; again is harmless.

    The person's row stays locked until the keys are gone, so that no report can be linked meanwhile.
    """
    async with parts.transaction(actor.name) as tx:

        async def work() -> Erasure:
            await index.hold(tx.db)
            erased_at = (await _lock(tx, person_id))[person_id]
            linked = await store.reports_of(tx.db, [person_id])
            reports = {row.report_id for row in linked}
            subjects = {person_id, *reports}
            if body is not None and body.reporters:
                subjects |= {row.reporter_id for row in linked}
            done = await tx.keyring.erase(
                [str(subject) for subject in subjects], person_id=str(person_id), actor=actor.name
            )
            await index.remove_reports(tx.db, reports)
            await store.mark_erased(tx.db, [person_id], reports, done)
            return Erasure(person_id=person_id, erased_at=erased_at or done)

        return await answer_once(tx, request, key, work, status=202)


@router.delete("/persons/{person_id}/reports/{report_id}", responses=refusals(409, 410))
async def unlink(
    person_id: UUID,
    report_id: UUID,
    parts: ServiceParts,
    actor: Annotated[Actor, require("links:write")],
) -> Unlinking:
    """A link was a mistake: the report is about somebody else, whom this registers."""
    async with parts.transaction(actor.name) as tx:
        await index.hold(tx.db)
        await index.lock_keys(tx.db, await index.keys_of_report(tx.db, report_id))
        await _lock_living(tx, person_id)
        linked = {row.report_id for row in await store.reports_of(tx.db, [person_id])}
        if report_id not in linked:
            raise Problem(404, "not-found", "No such report is linked to this person.")
        if len(linked) == 1:
            raise Problem(409, "only-report", "It is the only report about this person.")
        new_person_id = new_id()
        await store.add_persons(tx.db, [new_person_id], tx.now)
        await store.move_report(tx.db, report_id, new_person_id, tx.actor, tx.now)
        await index.move_report(tx.db, report_id, new_person_id)
        tx.emit(PersonRegistered(person_id=new_person_id, report_id=report_id))
        tx.emit(ReportUnlinked(person_id=person_id, report_id=report_id, new_person_id=new_person_id))
    return Unlinking(report_id=report_id, person_id=person_id, new_person_id=new_person_id)


@router.post("/matching-index/rebuild", tags=["operations"], responses=refusals(409))
async def rebuild_index(parts: ServiceParts, actor: Annotated[Actor, require("operations")]) -> Rebuilding:
    """Make the matching index anew and swap it in; answers when that is done. For every night."""
    done = await rebuild(parts)
    if done is None:
        raise Problem(
            409, "rebuild-under-way", "The matching index is being rebuilt already.", retry_after=60
        )
    return Rebuilding(reports=done.reports, keys=done.keys, seconds=round(done.seconds, 3))


async def _person(db: AsyncConnection, person_id: UUID) -> Person:
    found = await store.person(db, person_id)
    if found is None:
        raise Problem(404, "not-found", "There is no such person.")
    return Person(
        person_id=person_id,
        registered_at=found.created_at,
        erased_at=found.erased_at,
        backups_unreadable_since=found.backups_unreadable_since,
        report_ids=[row.report_id for row in await store.reports_of(db, [person_id])],
        statuses=[
            Status.model_validate(dict(row._mapping)) for row in await store.statuses_of(db, person_id)
        ],
    )


async def _lock(tx: Tx, person_id: UUID) -> dict[UUID, datetime | None]:
    known = await store.lock_persons(tx.db, [person_id])
    if not known:
        raise Problem(404, "not-found", "There is no such person.")
    return known


async def _lock_living(tx: Tx, person_id: UUID) -> None:
    if (await _lock(tx, person_id))[person_id] is not None:
        raise Problem(410, "person-erased", "This person was erased.")
