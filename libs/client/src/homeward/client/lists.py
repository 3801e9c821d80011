"""Sending a list: in parts, so that progress shows and an interruption costs little.

Rows are told apart on the other side, so a part that is sent again is counted as already imported.
"""

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stamina

from .session import Session, Unreachable

PART = 300
PART_BYTES = 4 << 20
"""What a part may hold at most: the platform takes bodies of 8 MiB."""
WHOLE_ROWS = 20_000
"""What the platform takes as one list."""


@dataclass
class Imported:
    """What became of a list; rows = accepted + already_imported + rejected."""

    rows: int = 0
    accepted: int = 0
    already_imported: int = 0
    rejected: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        """Count another part; its row numbers go on from ours."""
        offset = self.rows
        for name in ("rows", "accepted", "already_imported", "rejected"):
            setattr(self, name, getattr(self, name) + answer[name])
        self.errors += [{**error, "row": error["row"] + offset} for error in answer["errors"]]
        self.results += [{**result, "row": result["row"] + offset} for result in answer["results"]]

    def summary(self) -> dict[str, Any]:
        """What ``report import --json`` prints as its last line."""
        return {name: value for name, value in vars(self).items() if name != "results"}


def parts_of(content: bytes, encoding: str, *, dry_run: bool = False) -> list[bytes]:
    """The list cut into parts of up to 300 rows, each with the header, in the list's encoding; whole, if
    it cannot be read here, so that the platform says why.

    A dry run is cut only where one request cannot hold it: of rows in different requests, of which
    nothing is recorded, the platform cannot tell that they are the same.
    """
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        body = [_line(row) for row in rows if any(cell.strip() for cell in row)]
        most = WHOLE_ROWS if dry_run else PART
        if len(body) <= most and len(content) <= PART_BYTES:
            return [content]
        return [(_line(header) + "".join(part)).encode(encoding) for part in _sliced(body, most)]
    except (UnicodeError, LookupError, ValueError, csv.Error):
        return [content]


def send_list(
    session: Session,
    file: Path,
    *,
    list_name: str = "",
    consents: list[dict[str, Any]] | None = None,
    dry_run: bool = False,
    encoding: str = "utf-8",
    imported: Imported | None = None,
    patience: float = 20.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Send a list; ``progress(done, total)`` in parts. A part is sent again for ``patience`` seconds while
    the platform is away. Refused, Unreachable: then ``imported``, if given,
    holds what became of the parts before."""
    parts = parts_of(file.read_bytes(), encoding, dry_run=dry_run)
    imported = Imported() if imported is None else imported
    for number, part in enumerate(parts, 1):
        request = {
            "params": {"dry_run": str(dry_run).lower()},
            "files": {"file": ("list.csv", part, f"text/csv; charset={encoding}")},
            "data": {"list": list_name, "consents": json.dumps(consents or [])},
        }
        imported.add(_patiently(session, request, patience))
        progress(number, len(parts))
    return imported


def _patiently(session: Session, request: dict[str, Any], patience: float) -> dict[str, Any]:
    """Send one part, again while the platform is away. The same Idempotency-Key makes the answer the
    first one's, should only the answer have been lost."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for attempt in stamina.retry_context(on=Unreachable, attempts=None, timeout=patience, wait_max=2):
        with attempt:
            answer: dict[str, Any] = session.post("/v1/reports/import", headers=headers, **request)
            return answer
    raise AssertionError("retries end in a result or an exception")


def _sliced(lines: list[str], most: int) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for line in lines:
        if part and (len(part) == most or size + len(line) * 4 > PART_BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) * 4
    if part:
        yield part


def _line(row: list[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(row)
    return out.getvalue()
