"""A page of a feed: decided, opened, recorded, and only then handed out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from homeward.common.contracts import CONTRACTS, EventsRead, FieldClass
from homeward.common.idempotency import lookup_key
from homeward.common.sealing import Sealed, canonical
from homeward.common.tx import Tx

from .decide import Judge, decide_persons
from .pseudonyms import Pseudonyms
from .store import cases, feeds

RETRACTED = "homeward.release.retracted.v1"
ERASED = "homeward.subject.erased.v1"
TOMBSTONE = "homeward.release.withdrawn.v1"


@dataclass(frozen=True)
class Page:
    """CloudEvents for one agency, and where the next page starts."""

    events: list[dict[str, Any]]
    cursor: str
    more: bool


async def read_page(
    agency: str, partner_revision: int, after: int, limit: int, tx: Tx, judge: Judge, source: str
) -> Page:
    """The next events of a feed. What no longer rests on what is known now is decided again first; the
    read is recorded in this transaction, so the caller must let it commit before a byte leaves."""
    rows = await feeds.page(tx.db, agency, after, limit)
    stale = await feeds.stale_persons(tx.db, rows, partner_revision, judge.policies.digest, tx.now)
    if stale:
        await cases.lock(tx.db, stale)
        await decide_persons(stale, tx, judge)
        rows = await feeds.page(tx.db, agency, after, limit)
    names = Pseudonyms(await lookup_key(tx), agency)
    events = await _open(rows, names, tx, source)
    last = rows[-1].seq if rows else after
    if rows:
        digest = hashlib.sha256(canonical(events)).hexdigest()
        tx.emit(EventsRead(agency=agency, first_seq=rows[0].seq, last_seq=last, page_digest=digest))
        await feeds.mark_read(tx.db, agency, last)
    more = len(rows) == limit and await feeds.last_seq(tx.db, agency) > last
    return Page(events, names.cursor(last), more)


async def _open(rows: Sequence[Any], names: Pseudonyms, tx: Tx, source: str) -> list[dict[str, Any]]:
    live = [row for row in rows if row.state == feeds.LIVE]
    values = await cases.values_of(tx.db, {row.event_id for row in live})
    sealed = {event_id: Sealed(event_id, value) for event_id, (_, value) in values.items()}
    keys = await tx.keys({subject for one in sealed.values() for subject in one.subjects})
    events = []
    for row in rows:
        item = {
            "specversion": "1.0",
            "id": str(row.release_id if row.kind == feeds.RELEASE else names.of("row", _row_id(row))),
            "source": f"{source}/v1/events",
            "subject": str(names.of("person", row.person_id)),
            "time": row.at.isoformat(),
            "datacontenttype": "application/json",
            "sequence": f"{row.seq:020d}",
        }
        if row.state == feeds.LIVE:
            event_type, _ = values[row.event_id]
            opened = sealed[row.event_id].open(keys, frozenset(FieldClass(c) for c in row.classes))
            if not opened.erased:
                item |= {"type": event_type, "data": _data(row, event_type, opened.fields, names)}
                events.append(item)
                continue
        events.append(item | _without_content(row))
    return events


def _data(row: Any, event_type: str, fields: dict[str, Any], names: Pseudonyms) -> dict[str, Any]:
    contract = CONTRACTS[event_type]
    by_class: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        by_class.setdefault(contract.CLASSES[name], {})[name] = value
    by_class[FieldClass.ENVELOPE] = names.envelope(contract, by_class.get(FieldClass.ENVELOPE, {}))
    return {
        "generation": row.generation,
        "supersedes": str(row.supersedes) if row.supersedes else None,
        "withheld": row.withheld,
        "classes": {name: by_class.get(name, {}) for name in row.classes},
    }


def _without_content(row: Any) -> dict[str, Any]:
    """Retractions, erasures and tombstones: ids only."""
    if row.kind == feeds.RETRACTION:
        data: dict[str, Any] = {
            "release": str(row.release_id),
            "release_sequence": f"{row.retracted_seq:020d}",
            "retracted": "all" if row.whole else row.classes,
        }
        return {"type": RETRACTED, "data": data}
    if row.kind == feeds.ERASURE:
        return {"type": ERASED, "data": {}}
    return {"type": TOMBSTONE, "data": {"release": str(row.release_id)}}


def _row_id(row: Any) -> UUID:
    """Something of the row alone to derive its id from: a retraction has none of its own."""
    return UUID(int=row.release_id.int ^ row.seq)
