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
PATIENCE = 90.0
"""Seconds for which a part is sent again while the platform is away."""


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


def parts_of(content: bytes, encoding: str) -> list[bytes]:
    """The list cut into parts of up to 300 rows, each with the header; whole, if it cannot be read
    here, so that the platform says why."""
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, LookupError, csv.Error):
        return [content]
    header, body = rows[:1], [row for row in rows[1:] if any(cell.strip() for cell in row)]
    if len(body) <= PART:
        return [content]
    return [_csv(header + part) for part in _sliced(body)]


def send_list(
    session: Session,
    file: Path,
    *,
    list_name: str = "",
    consents: list[dict[str, Any]] | None = None,
    dry_run: bool = False,
    encoding: str = "utf-8",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Send a list; ``progress(done, total)`` in parts. Refused, Unreachable."""
    parts = parts_of(file.read_bytes(), encoding)
    imported = Imported()
    whole = len(parts) == 1
    for number, part in enumerate(parts, 1):
        charset = encoding if whole else "utf-8"
        request = {
            "params": {"dry_run": str(dry_run).lower()},
            "files": {"file": ("list.csv", part, f"text/csv; charset={charset}")},
            "data": {"list": list_name, "consents": json.dumps(consents or [])},
        }
        imported.add(_patiently(session, request))
        progress(number, len(parts))
    return imported


def _patiently(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Send one part, again while the platform is away. The same Idempotency-Key makes the answer the
    first one's, should only the answer have been lost."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for attempt in stamina.retry_context(on=Unreachable, attempts=None, timeout=PATIENCE, wait_max=2):
        with attempt:
            answer: dict[str, Any] = session.post("/v1/reports/import", headers=headers, **request)
            return answer
    raise AssertionError("retries end in a result or an exception")


def _sliced(rows: list[list[str]]) -> Iterator[list[list[str]]]:
    for start in range(0, len(rows), PART):
        yield rows[start : start + PART]


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
