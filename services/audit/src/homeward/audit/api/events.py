"""The records behind the log, as auditors read them."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from homeward.common.auth import Actor, require
from homeward.common.contracts import HistoryRead
from homeward.common.http import ServiceParts
from homeward.common.sealing import canonical
from homeward.tlog.merkle import leaf_hash

from ..store import log as stored
from ..store import records
from ..store.records import StoredRecord

router = APIRouter(prefix="/v1/audit", tags=["audit"])
Auditor = Annotated[Actor, require("audit:read")]


class StoredEvent(BaseModel):
    """A record as published: its CloudEvents attributes, and its value byte for byte."""

    index: int
    leaf_hash: str
    attributes: dict[str, str]
    value: dict[str, Any]


class StoredEvents(BaseModel):
    """A page, in the log's order; the next one begins at ``next_index``."""

    size: int
    next_index: int
    events: list[StoredEvent]


@router.get("/events", response_model=StoredEvents)
async def events(
    parts: ServiceParts,
    actor: Auditor,
    from_index: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    event_type: Annotated[str | None, Query(alias="type", pattern=r"^[a-z0-9.-]{1,200}$")] = None,
    source: Annotated[str | None, Query(pattern=r"^/[a-z0-9/-]{1,199}$")] = None,
    event_id: UUID | None = None,
) -> Response:
    """Records from ``from_index`` on, those that fit the filters.

    The read is recorded before anything leaves: ``first`` and ``last`` of what was shown, or the empty
    range before ``from_index`` if nothing was.
    """
    async with parts.transaction(actor.name) as tx:
        newest = await stored.newest_checkpoint(tx.db)
        size = newest[0] if newest else 0
        rows = await records.page(
            tx.db, from_index, size, limit, event_type=event_type, source=source, event_id=event_id
        )
        first, last = (rows[0].index, rows[-1].index) if rows else (from_index, from_index - 1)
        tx.emit(HistoryRead(reader=actor.name, first=first, last=last))
    next_index = last + 1 if len(rows) == limit else max(size, from_index)
    return Response(_page(size, next_index, rows), media_type="application/json")


def _page(size: int, next_index: int, rows: Sequence[StoredRecord]) -> bytes:
    """A StoredEvents, with the values spliced in as they are: stored bytes are never re-serialised."""
    head = canonical({"size": size, "next_index": next_index})[:-1]
    return head + b',"events":[' + b",".join(map(_event, rows)) + b"]}"


def _event(row: StoredRecord) -> bytes:
    shown = {
        "index": row.index,
        "leaf_hash": b64encode(leaf_hash(row.leaf)).decode(),
        "attributes": row.attributes,
    }
    return canonical(shown)[:-1] + b',"value":' + row.value + b"}"
