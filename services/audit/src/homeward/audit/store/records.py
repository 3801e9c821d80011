"""The records behind the log's entries, and what they show of each source."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.db import copy_in
from homeward.common.envelope import Headers

from ..completeness import Source
from ..domain import Entry, Identity
from .tables import entries, records

_KNOWN = sa.text(
    "SELECT event_id, source, sequence, sha256(value) AS digest FROM records "
    "WHERE event_id = ANY(CAST(:ids AS uuid[])) "
    "UNION "
    "SELECT event_id, source, sequence, sha256(value) FROM records "
    "JOIN unnest(CAST(:sources AS text[]), CAST(:sequences AS bigint[])) AS place (source, sequence) "
    "USING (source, sequence)"
)
# Numbers that follow one another have the same distance from their rank.
_SOURCES = sa.text("""
    WITH ranked AS (
        SELECT source, sequence, sequence - row_number() OVER (PARTITION BY source ORDER BY sequence) AS run
        FROM records),
    runs AS (
        SELECT source, min(sequence) AS first, max(sequence) AS last, count(*) AS length
        FROM ranked GROUP BY source, run),
    counted AS (
        SELECT source, first, last, row_number() OVER (PARTITION BY source ORDER BY first) AS n,
               sum(length) OVER (PARTITION BY source) AS count,
               max(last) OVER (PARTITION BY source) AS newest
        FROM runs)
    SELECT source, first, last, CAST(count AS bigint) AS count, newest FROM counted
    WHERE n <= :most ORDER BY source, first
""")


@dataclass(frozen=True)
class StoredRecord:
    """A record at its index in the log: the entry's bytes, the headers as packed, the value as published."""

    index: int
    leaf: bytes
    headers: bytes
    value: bytes

    @property
    def attributes(self) -> dict[str, str]:
        """The CloudEvents attributes."""
        packed = orjson.loads(self.headers)
        return {name[3:]: text.encode("latin-1").decode() for name, text in packed if name.startswith("ce_")}


async def known(db: AsyncConnection, batch: Sequence[Entry]) -> list[Identity]:
    """Which records are there under the ids, or in the places, of ``batch``. Lock the log first."""
    wanted = {
        "ids": [entry.envelope.id for entry in batch],
        "sources": [entry.envelope.source for entry in batch],
        "sequences": [entry.envelope.sequence for entry in batch],
    }
    return [Identity(*row) for row in await db.execute(_KNOWN, wanted)]


async def add(db: AsyncConnection, first: int, batch: Sequence[Entry]) -> None:
    """Keep the records of ``batch`` from index ``first`` on; UniqueViolationError if one is there already."""
    rows = [
        {
            "index": index,
            "event_id": entry.envelope.id,
            "type": entry.envelope.type,
            "subject": entry.envelope.subject,
            "time": entry.envelope.time,
            "actor": entry.envelope.actor,
            "source": entry.envelope.source,
            "sequence": entry.envelope.sequence,
            "headers": _pack(entry.headers),
            "value": entry.value,
        }
        for index, entry in enumerate(batch, first)
    ]
    await copy_in(db, records, rows)


async def index_of(db: AsyncConnection, event_id: UUID) -> int | None:
    """Where in the log an event is; None if it is not."""
    index: int | None = await db.scalar(sa.select(records.c.index).where(records.c.event_id == event_id))
    return index


async def page(
    db: AsyncConnection,
    first: int,
    end: int,
    limit: int,
    *,
    event_type: str | None = None,
    source: str | None = None,
    event_id: UUID | None = None,
) -> list[StoredRecord]:
    """Up to ``limit`` records from index ``first`` to before ``end``, of those that fit the filters."""
    wanted = (
        sa.select(records.c.index, entries.c.leaf, records.c.headers, records.c.value)
        .join(entries, entries.c.index == records.c.index)
        .where(records.c.index >= first, records.c.index < end)
        .order_by(records.c.index)
        .limit(limit)
    )
    for column, value in (
        (records.c.type, event_type),
        (records.c.source, source),
        (records.c.event_id, event_id),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    return [StoredRecord(*row) for row in await db.execute(wanted)]


async def sources(db: AsyncConnection, most: int) -> list[Source]:
    """What the log holds of every source, with its first ``most`` runs of sequence numbers."""
    found: dict[str, Source] = {}
    for source, first, last, count, newest in await db.execute(_SOURCES, {"most": most}):
        found.setdefault(source, Source(source, count, newest, [])).runs.append((first, last))
    return list(found.values())


def _pack(headers: Headers) -> bytes:
    # Latin-1 gives every byte a character: any header is kept exactly, and ours stay readable.
    return orjson.dumps([(name, value.decode("latin-1")) for name, value in headers])
