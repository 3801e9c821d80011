"""A partner's feed: page by page, from where we were."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .cursors import CursorFile
from .session import Session

Event = dict[str, Any]
"""A CloudEvent (JSON format) as the platform serves it."""


def pages(
    session: Session, cursor: str | None = None, *, limit: int = 500, wait: int = 0
) -> Iterator[tuple[list[Event], str]]:
    """Pages after ``cursor`` until caught up: their events and the cursor behind them."""
    while True:
        page = session.get("/v1/events", cursor=cursor, limit=limit, wait=wait)
        cursor = page["cursor"]
        if page["events"]:
            yield page["events"], page["cursor"]
        if not page["more"]:
            return


def follow(session: Session, store: Path, *, limit: int = 500, wait: int = 30) -> Iterator[Event]:
    """Events as they come, for ever, continuing where ``store`` (a file) says we were.

    The cursor is stored when the next page is asked for, so after a crash a page may come again:
    handle an event's id once.
    """
    kept = CursorFile(store)
    cursor = kept.load()
    while True:
        page = session.get("/v1/events", cursor=cursor, limit=limit, wait=wait)
        yield from page["events"]
        if page["cursor"] != cursor:
            cursor = page["cursor"]
            kept.save(page["cursor"])


def acknowledge(session: Session, sequence: int) -> int:
    """Tell that the feed was handled up to ``sequence``; how far is acknowledged now."""
    acknowledged: int = session.post("/v1/events/ack", {"sequence": sequence})["sequence"]
    return acknowledged
