"""A page of a feed: checked, opened, recorded, and only then handed out."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from homeward.common.contracts import CONTRACTS, EventsRead, FieldClass
from homeward.common.idempotency import lookup_key
from homeward.common.keys import KeySet
from homeward.common.sealing import Sealed, canonical
from homeward.common.tx import Tx

from .changes import Judge
from .domain import Partner, notice_for
from .pseudonyms import Place, Pseudonyms
from .store import cases, feeds

RETRACTED = "homeward.release.retracted.v1"
ERASED = "homeward.subject.erased.v1"
TOMBSTONE = "homeward.release.withdrawn.v1"


class Unsettled(Exception):
    """Something on the page does not rest on what is known now: decide these persons, then read again."""

    def __init__(self, person_ids: set[UUID]) -> None:
        super().__init__("to be decided again")
        self.person_ids = person_ids


@dataclass(frozen=True)
class Page:
    """CloudEvents for one agency, and where the next page starts."""

    events: bytes
    """A JSON array: the very bytes whose digest the record of the read has."""
    empty: bool
    cursor: str
    more: bool


async def read_page(partner: Partner, start: Place, limit: int, tx: Tx, judge: Judge, source: str) -> Page:
    """The next events of a feed after ``start``; Unsettled if some must be decided again first.

    The read is recorded in this transaction, so the caller must let it commit before a byte leaves.
    Until then nobody can change what the page rests on: whoever withdraws a consent waits for the
    pages that are on their way, and no page that is recorded later shows it.
    """
    last, persons = await feeds.concerned(tx.db, partner.agency, start.seq, limit)
    revisions = await cases.hold(tx.db, persons)
    rows = await feeds.page(tx.db, partner.agency, start.seq, last)
    if unsettled := {row.whose for row in rows if not _rests(row, revisions, partner, judge, tx)}:
        raise Unsettled(unsettled)
    names = Pseudonyms(await lookup_key(tx), partner.agency)
    opened = await _open(rows, names, notice_for(partner.kind), tx, source)
    events, more = canonical(opened), False
    if rows:
        digest = hashlib.sha256(events).hexdigest()
        first = rows[0].seq
        tx.emit(EventsRead(agency=partner.agency, first_seq=first, last_seq=last, page_digest=digest))
        end = await feeds.mark_read(tx.db, partner.agency, partner.revision, last)
        if end is None:
            raise Unsettled(set())
        more = len(rows) == limit and end > last
    return Page(events, not rows, names.cursor(Place(start.epoch, last)), more)


def _rests(row: Any, revisions: Mapping[UUID, int], partner: Partner, judge: Judge, tx: Tx) -> bool:
    """Whether what a row shows was decided on what is known now."""
    return row.state != feeds.LIVE or (
        row.whose == row.person_id
        and row.case_revision == revisions.get(row.whose)
        and row.partner_revision == partner.revision
        and row.policy_digest == judge.policies.digest
        and (row.valid_until is None or row.valid_until > tx.now)
    )


async def _open(
    rows: Sequence[Any], names: Pseudonyms, notice: str | None, tx: Tx, source: str
) -> list[dict[str, Any]]:
    sealed = {row.seq: Sealed(row.event_id, row.value) for row in rows if row.state == feeds.LIVE}
    keys = await tx.keys({subject for one in sealed.values() for subject in one.subjects})
    events = []
    for row in rows:
        item = {
            "specversion": "1.0",
            "id": str(row.release_id) if row.kind == feeds.RELEASE else names.of("row", _row_id(row)),
            "source": f"{source}/v1/events",
            "subject": names.of("person", row.person_id),
            "time": row.at.isoformat(),
            "datacontenttype": "application/json",
            "sequence": f"{row.seq:020d}",
        }
        content = None
        if row.state == feeds.LIVE:
            content = _content(row, sealed[row.seq], keys, names)
        if content is None:
            events.append(item | _without_content(row))
        else:
            told = {"notice": notice} if notice else {}
            events.append(item | {"type": row.event_type, "data": content | told})
    return events


def _content(row: Any, sealed: Sealed, keys: KeySet, names: Pseudonyms) -> dict[str, Any] | None:
    """What a release shows; None if the event's own key is gone. What only its reporter's key opened is
    left out when that is gone: the retraction is on its way."""
    contract = CONTRACTS[row.event_type]
    opened = sealed.open(keys, frozenset(FieldClass(name) for name in row.classes))
    if opened.erased - contract.ALSO_KEYED_BY.keys():
        return None
    by_class: dict[str, dict[str, Any]] = {
        name: {} for name in row.classes if FieldClass(name) not in opened.erased
    }
    for name, value in opened.fields.items():
        by_class[contract.CLASSES[name]][name] = value
    envelope = by_class.get(FieldClass.ENVELOPE, {})
    by_class[FieldClass.ENVELOPE.value] = names.envelope(contract, envelope, by_class.keys())
    return {
        "generation": row.generation,
        "supersedes": str(row.supersedes) if row.supersedes else None,
        "withheld": row.withheld,
        "classes": by_class,
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
