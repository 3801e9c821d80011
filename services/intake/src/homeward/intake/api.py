"""Reports over HTTP: hand in one, many or a list; ask about a receipt."""

from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, File, Form, Query, Request, UploadFile
from fastapi.responses import Response
from joserfc.jwk import OKPKey
from pydantic import TypeAdapter, ValidationError

from homeward.common import jose
from homeward.common.auth import Actor, require
from homeward.common.contracts import StatedConsent
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once, lookup_key
from homeward.common.parts import Parts
from homeward.common.problems import Problem, pointer

from . import store
from .accept import Result, Submission, accept
from .domain import COLUMNS
from .forms import ConsentIn, Consents, Imported, Receipt, ReceiptState, ReportsIn, RowError
from .lists import ListRefused, read_list
from .receipts import normalised, receipt_code, receipt_hash, signed_receipt

router = APIRouter(prefix="/v1", tags=["reports"])
Submitter = Annotated[Actor, require("reports:write")]
_CONSENTS: TypeAdapter[list[ConsentIn]] = TypeAdapter(Consents)


def _sent_as(media_type: str) -> Any:
    """A dependency: 415 unless the body is of ``media_type``."""

    async def check(request: Request) -> None:
        sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent != media_type:
            raise Problem(415, "unsupported-media-type", f"Send the body as {media_type}.")

    return Depends(check)


@router.post("/reports", status_code=201, response_model=Imported)
async def submit(
    body: ReportsIn,
    request: Request,
    parts: ServiceParts,
    actor: Submitter,
    _: Annotated[None, _sent_as("application/json")],
    key: IdempotencyKey = None,
) -> Response:
    """Hand in one report or up to 1,000; accepted reports are on their way when this answers."""
    given = body if isinstance(body, list) else [body]
    submissions = [Submission(i, one.cells(), tuple(one.consents)) for i, one in enumerate(given, 1)]

    async with parts.transaction(actor.name) as tx:

        async def work() -> Imported:
            results = await accept(submissions, tx, organisation=actor.organisation, channel="api")
            if not isinstance(body, list) and results[0].outcome == "rejected":
                raise Problem(422, "unusable-report", "The report cannot be used.", errors=_errors(results))
            return _answer(results, parts, tx.now)

        return await answer_once(tx, request, key, work)


@router.post("/reports/import", status_code=201, response_model=Imported)
async def import_list(
    request: Request,
    parts: ServiceParts,
    actor: Submitter,
    _: Annotated[None, _sent_as("multipart/form-data")],
    file: Annotated[UploadFile, File(description="CSV with a header of canonical columns")],
    dry_run: Annotated[bool, Query()] = False,
    list_name: Annotated[str, Form(alias="list", max_length=200)] = "",
    consents: Annotated[str, Form(max_length=100_000)] = "[]",
    key: IdempotencyKey = None,
) -> Response:
    """Hand in a list. ``consents`` (JSON) are those that hold for every row; ``list`` names the list
    where the rows do not. With ``dry_run`` nothing is recorded."""
    stated = _stated(consents)
    try:
        rows = read_list(await file.read(), _charset(file))
    except ListRefused as refused:
        slug, detail = refused.args
        raise Problem(422, slug, detail, errors=[{"field": "file", "code": slug, "detail": detail}]) from None
    for row in rows:
        if row.cells is not None and list_name and not row.cells.get("source_list", "").strip():
            row.cells["source_list"] = list_name
    submissions = [Submission(row.number, row.cells, stated) for row in rows]

    async with parts.transaction(actor.name) as tx:

        async def work() -> Imported:
            results = await accept(
                submissions, tx, organisation=actor.organisation, channel="list", dry_run=dry_run
            )
            return _answer(results, parts, tx.now, with_receipts=not dry_run)

        if dry_run:
            return await answer_once(tx, request, None, work, status=200)
        return await answer_once(tx, request, key, work)


@router.get("/receipts/{receipt}", response_model=ReceiptState)
async def receipt(receipt: str, parts: ServiceParts, actor: Submitter) -> ReceiptState:
    """What happened to a report; only for the organisation that handed it in."""
    code = normalised(receipt)
    async with parts.transaction(actor.name) as tx:
        secret = await lookup_key(tx)
        report = await store.report_by_receipt(tx.db, receipt_hash(secret, code or ""), actor.organisation)
    if report is None:
        raise Problem(404, "not-found", "There is no such receipt.")
    return ReceiptState(
        receipt=receipt_code(secret, report.report_id),
        report_id=report.report_id,
        event_id=report.event_id,
        received_at=report.received_at,
        state="erased" if report.erased_at else "received",
        signed_receipt=signed_receipt(
            _key(parts), parts.settings.public_url, report.report_id, report.event_id, report.received_at
        ),
    )


@router.get("/receipt-keys")
async def receipt_keys(parts: ServiceParts) -> dict[str, list[dict[str, Any]]]:
    """The keys that verify signed receipts (JWK set)."""
    return {"keys": [jose.public_jwk(_key(parts))]}


@router.get("/report-columns")
async def report_columns() -> dict[str, list[str]]:
    """The canonical header of a list."""
    return {"columns": list(COLUMNS)}


def _charset(file: UploadFile) -> str:
    """What the file's part declares; UTF-8 if it declares nothing."""
    parameters = Message()
    parameters["content-type"] = file.headers.get("content-type", "text/csv")
    return str(parameters.get_param("charset", "utf-8"))


def _stated(consents: str) -> tuple[StatedConsent, ...]:
    try:
        return tuple(_CONSENTS.validate_json(consents))
    except ValidationError as error:
        errors = [
            {"field": pointer(("consents", *item["loc"])), "code": item["type"], "detail": "Not valid."}
            for item in error.errors(include_input=False)
        ]
        raise Problem(422, "invalid-request", "The consents are not valid.", errors=errors) from None


def _key(parts: Parts) -> OKPKey:
    return cast(OKPKey, parts.own["receipt_key"])


def _errors(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [{"row": r.number, **vars(error)} for r in results for error in r.errors]


def _answer(
    results: Sequence[Result], parts: Parts, now: datetime, *, with_receipts: bool = True
) -> Imported:
    outcomes = [result.outcome for result in results]
    return Imported(
        rows=len(results),
        accepted=outcomes.count("accepted"),
        already_imported=outcomes.count("already_imported"),
        rejected=outcomes.count("rejected"),
        errors=[RowError(**error) for error in _errors(results)],
        results=[_receipt(result, parts, now) for result in results] if with_receipts else [],
    )


def _receipt(result: Result, parts: Parts, now: datetime) -> Receipt:
    signed = None
    if result.outcome == "accepted" and result.report_id and result.event_id:
        signed = signed_receipt(
            _key(parts), parts.settings.public_url, result.report_id, result.event_id, now
        )
    return Receipt(
        row=result.number,
        outcome=result.outcome,
        report_id=result.report_id,
        event_id=result.event_id,
        receipt=result.receipt,
        signed_receipt=signed,
    )
