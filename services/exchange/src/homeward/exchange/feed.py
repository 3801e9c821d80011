"""A page of a feed: checked, opened, recorded, and only then handed out."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from homeward.common.contracts import CONTRACTS, EventsRead
from homeward.common.keys import KeySet
from homeward.common.sealing import Sealed, canonical
from homeward.common.tx import Tx

from .activation import follow
from .domain import Partner, field_classes, notice_for
from .judge import Judge
from .pseudonyms import Place, Pseudonyms
from .store import feeds, pages
from .store.pages import Shown, Stretch

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

    events: Sequence[tuple[int, bytes]]
    """Each with its place in the feed, as JSON."""
    last: Place
    more: bool
    names: Pseudonyms

    @property
    def array(self) -> bytes:
        """All of them: the very bytes whose digest the record of the read has."""
        return _array(event for _, event in self.events)

    @property
    def cursor(self) -> str:
        """Where the next page starts."""
        return self.names.cursor(self.last)

    def behind(self, seq: int) -> str:
        """The cursor behind one of the events."""
        return self.names.cursor(Place(self.last.epoch, seq))


def _array(events: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(events)


async def read_page(
    partner: Partner, stretch: Stretch, names: Pseudonyms, tx: Tx, judge: Judge, source: str
) -> Page:
    """The events of a stretch of the partner's feed; Unsettled if some must be decided again first.

    The read is recorded in this transaction, so the caller must let it commit before a byte leaves.
    Until then nobody can change what the page rests on: whoever withdraws a consent or activates policies
    waits for the pages that are on their way, and no page that is recorded later shows it.
    """
    rows = await settled(pages.page, partner, stretch, tx, judge)
    opened = await open_rows(rows, names, notice_for(partner.kind), tx, source)
    events = [(row.seq, canonical(event)) for row, event in zip(rows, opened, strict=True)]
    page = Page(events, Place(stretch.epoch, stretch.last), False, names)
    if rows:
        digest, first, last = hashlib.sha256(page.array).hexdigest(), rows[0].seq, rows[-1].seq
        tx.emit(EventsRead(agency=partner.agency, first_seq=first, last_seq=last, page_digest=digest))
        end = await pages.mark_read(tx.db, partner, stretch, last)
        if end is None:
            raise Unsettled(set())
        return replace(page, more=len(rows) == stretch.limit and end > last)
    return page


async def settled(
    look: Callable[..., Awaitable[list[Shown]]], partner: Partner, stretch: Stretch, tx: Tx, judge: Judge
) -> list[Shown]:
    """The rows that ``look`` finds, all of which rest on what is known now; Unsettled."""
    if stretch.policy_digest not in {None, judge.policies.digest}:
        await follow(judge, tx.db)
    rows = await look(tx.db, partner, stretch, judge.policies.digest, tx.now)
    if unsettled := {row.whose for row in rows if not _rests(row, stretch)}:
        raise Unsettled(unsettled)
    return rows


def _rests(row: Shown, stretch: Stretch) -> bool:
    """Whether what a row shows was decided on what is known now, and will be until it has left."""
    return row.state != feeds.LIVE or bool(row.rests and row.person_id in stretch.held)


async def open_rows(
    rows: Sequence[Shown], names: Pseudonyms, notice: str | None, tx: Tx, source: str
) -> list[dict[str, Any]]:
    """The rows as CloudEvents, with the partner's own ids."""
    sealed = {row.seq: Sealed(row.event_id, row.value) for row in rows if row.event_id and row.value}
    keys = await tx.keys({subject for one in sealed.values() for subject in one.subjects})
    told = {"notice": notice} if notice else {}
    events = []
    for row in rows:
        content = _content(row, sealed[row.seq], keys, names) if row.state == feeds.LIVE else None
        kind, data = _without_content(row) if content is None else (row.event_type, content | told)
        events.append(
            {
                "specversion": "1.0",
                "id": str(row.release_id) if row.kind == feeds.RELEASE else names.of("row", _row_id(row)),
                "source": source,
                "type": kind,
                "subject": names.of("person", str(row.person_id)),
                "time": row.at.isoformat(),
                "datacontenttype": "application/json",
                "sequence": f"{row.seq:020d}",
                "data": data,
            }
        )
    return events


def _content(row: Shown, sealed: Sealed, keys: KeySet, names: Pseudonyms) -> dict[str, Any] | None:
    """What a release shows; None if the event's own key is gone. What only its reporter's key opened is
    left out when that is gone: the retraction is on its way."""
    contract = CONTRACTS[row.event_type]
    contents, erased = sealed.contents(keys, field_classes(row.classes))
    if erased - contract.ALSO_KEYED_BY.keys():
        return None
    by_class: dict[str, Any] = {name: {} for name in row.classes if name not in erased}
    for name, content in contents.items():
        # What was sealed is in canonical form, and goes out as it is.
        by_class[name] = orjson.Fragment(content) if isinstance(content, bytes) else content
    envelope = by_class.get("envelope", {})
    by_class["envelope"] = names.envelope(contract, envelope, by_class.keys())
    return {
        "generation": row.generation,
        "supersedes": str(row.supersedes) if row.supersedes else None,
        "withheld": row.withheld,
        "classes": by_class,
    }


def _without_content(row: Shown) -> tuple[str, dict[str, Any]]:
    """Retractions, erasures and tombstones, their type and data: ids only."""
    if row.kind == feeds.RETRACTION:
        return RETRACTED, {
            "release": str(row.release_id),
            "release_sequence": f"{row.retracted_seq:020d}",
            "retracted": "all" if row.whole else row.classes,
        }
    if row.kind == feeds.ERASURE:
        return ERASED, {}
    return TOMBSTONE, {"release": str(row.release_id)}


def _row_id(row: Shown) -> UUID:
    """Something of the row alone to derive its id from: a retraction has none of its own."""
    return UUID(int=row.release_id.int ^ row.seq)
