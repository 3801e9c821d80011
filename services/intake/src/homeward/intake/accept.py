"""Accepting reports: read, told apart from those known, recorded and announced in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from homeward.common.contracts import ReportReceived, StatedConsent
from homeward.common.idempotency import lookup_key
from homeward.common.ids import new_id
from homeward.common.sealing import canonical
from homeward.common.tx import Tx

from . import store
from .domain import CellError, Reading, has_reporter, read_report, row_identity, said
from .receipts import fingerprint, receipt_code, receipt_hash

Outcome = Literal["accepted", "already_imported", "rejected"]
BROKEN = CellError("row", "row_shape", "The row has not as many cells as the header.")
DIFFERS = CellError(
    "reporter_reference",
    "differs_from_first",
    "A report with this reference was recorded before and says something else. The first one stands; "
    "to add this one, send it with another reference.",
)


@dataclass(frozen=True)
class Submission:
    """One report as it came; ``cells`` is None for a row that could not be cut into cells."""

    number: int
    cells: Mapping[str, str] | None
    consents: tuple[StatedConsent, ...] = ()


@dataclass(frozen=True)
class Result:
    """What became of one submission."""

    number: int
    outcome: Outcome
    errors: tuple[CellError, ...]
    report_id: UUID | None = None
    event_id: UUID | None = None
    receipt: str | None = None


@dataclass(frozen=True)
class _Row:
    submission: Submission
    reading: Reading
    key: bytes
    content: bytes


async def accept(
    submissions: Sequence[Submission],
    tx: Tx,
    *,
    organisation: str,
    channel: Literal["api", "list"],
    dry_run: bool = False,
) -> list[Result]:
    """Record what can be; a result for each submission, in order. Writes nothing if ``dry_run``."""
    secret = await lookup_key(tx)
    rows: list[_Row] = []
    results: dict[int, Result] = {}
    for submission in submissions:
        reading = read_report(submission.cells) if submission.cells is not None else None
        if reading is None or not reading.usable:
            errors = reading.errors if reading else (BROKEN,)
            results[submission.number] = Result(submission.number, "rejected", errors)
        else:
            rows.append(_row(submission, reading, secret, organisation))
    await store.lock_rows(tx.db, [row.key for row in rows])
    seen: dict[bytes, Any] = dict(await store.known_rows(tx.db, [row.key for row in rows]))
    fresh: list[store.Accepted] = []
    for row in rows:
        if (before := seen.get(row.key)) is not None:
            results[row.submission.number] = _known(row, before, secret)
            continue
        accepted, receipt = _record(row, tx, secret, organisation, channel, dry_run=dry_run)
        seen[row.key] = accepted
        fresh.append(accepted)
        results[row.submission.number] = _result(row, "accepted", accepted, receipt, row.reading.errors)
    if not dry_run:
        await store.add_reports(tx.db, fresh)
    return [results[submission.number] for submission in submissions]


def _row(submission: Submission, reading: Reading, secret: bytes, organisation: str) -> _Row:
    key, content = _prints(reading.values, organisation, secret)
    return _Row(submission, reading, key, content)


def _prints(values: Mapping[str, Any], organisation: str, secret: bytes) -> tuple[bytes, bytes]:
    """What tells the row apart from others, and what tells whether it says something else."""
    identity = canonical(row_identity(values, organisation))
    return fingerprint(secret, identity), fingerprint(secret, canonical(values))


def _record(
    row: _Row, tx: Tx, secret: bytes, organisation: str, channel: Literal["api", "list"], *, dry_run: bool
) -> tuple[store.Accepted, str]:
    """The report, and the code of its receipt."""
    new_subject = new_id if dry_run else tx.keyring.new_subject
    report_id = new_subject()
    # Without a word about the reporter there is nobody to keep apart: no key of their own is made.
    reporter_id = new_subject() if has_reporter(row.reading.values) else report_id
    event = ReportReceived(
        report_id=report_id,
        reporter_id=reporter_id,
        received_at=tx.now,
        channel=channel,
        organisation=organisation,
        consents=row.submission.consents or None,
        **row.reading.values,
    )
    event_id = new_id() if dry_run else tx.emit(event)
    receipt = receipt_code(secret, report_id)
    hashed = receipt_hash(secret, receipt.replace("-", ""))
    accepted = store.Accepted(
        report_id, reporter_id, event_id, organisation, row.key, row.content, hashed, tx.now
    )
    return accepted, receipt


async def accept_again(report: ReportReceived, tx: Tx) -> None:
    """Record a report that was accepted before this database was restored, so that it is known when it is
    sent again. Of one whose keys are destroyed nobody can tell any more what it said."""
    secret = await lookup_key(tx)
    readable = report.organisation is not None
    values = said(report) if readable else {"report_id": str(report.report_id)}
    key, content = _prints(values, report.organisation or "", secret)
    hashed = receipt_hash(secret, receipt_code(secret, report.report_id).replace("-", ""))
    record = store.Accepted(
        report.report_id, report.reporter_id, tx.handled.envelope.id, report.organisation or "",
        key, content, hashed, report.received_at,
    )  # fmt: skip
    await store.add_reports(tx.db, [record])
    if not readable:
        await store.mark_erased(tx.db, [report.report_id], tx.now)


def _known(row: _Row, before: Any, secret: bytes) -> Result:
    differs = () if before.row_fingerprint == row.content else (DIFFERS,)
    return _result(row, "already_imported", before, receipt_code(secret, before.report_id), differs)


def _result(row: _Row, outcome: Outcome, report: Any, receipt: str, errors: tuple[CellError, ...]) -> Result:
    return Result(row.submission.number, outcome, errors, report.report_id, report.event_id, receipt)
