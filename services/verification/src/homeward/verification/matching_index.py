"""The look-up index: the one place where verification holds names and numbers readable.

It is a cache in UNLOGGED tables, so it is in no WAL and no backup; PostgreSQL empties it after a
crash, and :mod:`rebuild` makes it anew from the sealed reports. ANALYZE would copy readable values
into ``pg_statistic``, which *is* logged: the key column's statistics target is 0, and look-ups are
written so that a planner without statistics still goes by the b-tree.

Everybody who reads or writes it holds :func:`hold` first, before any other lock, and so keeps out
the swap at the end of a rebuild.
"""

from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

INDEX = "matching_index"
NEXT = "matching_index_next"
_MOST_PER_KEY = 100
"""Persons looked at for one key, the earliest registered ones; more than a few would be odd anyway."""


class Entry(NamedTuple):
    """A key that a report gave its person."""

    key: str
    person_id: UUID
    report_id: UUID


def create_statements(name: str) -> list[str]:
    """The SQL that makes an empty table ``name``, without its indexes."""
    return [
        f"CREATE UNLOGGED TABLE {name} (key text NOT NULL, person_id uuid NOT NULL, report_id uuid NOT NULL)",
        f"ALTER TABLE {name} ALTER COLUMN key SET STATISTICS 0",
    ]


def index_statements(name: str) -> list[str]:
    """The SQL that makes the indexes; PostgreSQL names them, so that two tables can have them."""
    return [f"CREATE INDEX ON {name} (key, person_id)", f"CREATE INDEX ON {name} (report_id)"]


WHOLE_STATEMENTS = [
    "CREATE UNLOGGED TABLE matching_index_whole (one bool PRIMARY KEY CHECK (one))",
    "INSERT INTO matching_index_whole VALUES (true)",
]
"""A table whose one row says that the index is whole. It is there from the start, when there is
nothing to index, and goes when PostgreSQL empties unlogged tables."""

LEFTOVER_STATEMENTS = [
    "CREATE TABLE index_leftovers (report_id uuid PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())",
]
"""The reports whose keys were deleted, but whose bytes are still in the index's file: PostgreSQL, VACUUM
included, leaves them there until the place is used again. A rebuild makes a new file."""

_LOOK_UP = sa.text(f"""
    SELECT wanted.key, there.person_id FROM unnest(CAST(:keys AS text[])) AS wanted (key)
    CROSS JOIN LATERAL (SELECT DISTINCT i.person_id FROM {INDEX} i WHERE i.key = wanted.key
                        ORDER BY i.person_id LIMIT {_MOST_PER_KEY}) AS there
""")  # noqa: S608 - names of ours only


_REMOVE = sa.text(f"""
    WITH gone AS (DELETE FROM {INDEX} WHERE report_id = ANY(CAST(:report_ids AS uuid[])) RETURNING report_id)
    INSERT INTO index_leftovers (report_id) SELECT DISTINCT report_id FROM gone ON CONFLICT DO NOTHING
""")  # noqa: S608 - names of ours only
_LEFTOVERS = sa.text(
    "SELECT report_id FROM index_leftovers "
    "WHERE since <= clock_timestamp() - make_interval(secs => CAST(:seconds AS float8))"
)
_LEFTOVERS_GONE = sa.text("DELETE FROM index_leftovers WHERE report_id = ANY(CAST(:report_ids AS uuid[]))")


async def hold(db: AsyncConnection) -> None:
    """Keep the index as it is, but for what holders do, until the transaction ends."""
    await db.execute(sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended('matching index', 0))"))


async def lock_keys(db: AsyncConnection, keys: Iterable[str]) -> None:
    """Wait for every transaction that decides by one of ``keys``, and make the next ones wait.

    One statement, in one order for all: locks taken report by report deadlock between workers. Two
    keys may share a lock number; that costs a wait, nothing else.
    """
    numbers = sorted({lock_number(key) for key in keys})
    if numbers:
        await db.execute(
            sa.text("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(:numbers AS bigint[])) AS n"),
            {"numbers": numbers},
        )


def lock_number(key: str) -> int:
    """The advisory lock of a key: 64 bits of its hash."""
    return int.from_bytes(sha256(f"strong key|{key}".encode()).digest()[:8], "big", signed=True)


async def is_whole(db: AsyncConnection) -> bool:
    """Whether the index has every sealed report's keys."""
    return bool(await db.scalar(sa.text("SELECT EXISTS (SELECT FROM matching_index_whole)")))


async def persons_by_key(db: AsyncConnection, keys: Collection[str]) -> dict[str, set[UUID]]:
    """Key → the persons known by it."""
    found: dict[str, set[UUID]] = {}
    if keys:
        for row in await db.execute(_LOOK_UP, {"keys": sorted(keys)}):
            found.setdefault(row.key, set()).add(row.person_id)
    return found


async def keys_of_report(db: AsyncConnection, report_id: UUID) -> list[str]:
    """The keys that a report gave its person."""
    found = await db.execute(sa.select(_index.c.key).where(_index.c.report_id == report_id))
    return list(found.scalars())


async def add(db: AsyncConnection, entries: Sequence[Entry], *, table: str = INDEX) -> None:
    """Add keys."""
    if entries:
        await db.execute(sa.insert(_table(table)), [entry._asdict() for entry in entries])


async def move_report(db: AsyncConnection, report_id: UUID, person_id: UUID) -> None:
    """The keys of a report are another person's from now on."""
    await db.execute(sa.update(_index).where(_index.c.report_id == report_id).values(person_id=person_id))


async def remove_reports(db: AsyncConnection, report_ids: Collection[UUID]) -> None:
    """Forget the keys of reports: no look-up meets them again, and a rebuild is due for what is left."""
    if report_ids:
        await db.execute(_REMOVE, {"report_ids": list(report_ids)})


async def leftovers(db: AsyncConnection, older_than: float = 0.0) -> list[UUID]:
    """The reports whose keys were deleted ``older_than`` seconds ago and whose bytes may still be there."""
    return list((await db.execute(_LEFTOVERS, {"seconds": older_than})).scalars())


async def leftovers_gone(db: AsyncConnection, report_ids: Collection[UUID]) -> None:
    """Their bytes are in no file any more."""
    await db.execute(_LEFTOVERS_GONE, {"report_ids": list(report_ids)})


def _table(name: str) -> sa.TableClause:
    return sa.table(name, sa.column("key", Text), sa.column("person_id", Uuid), sa.column("report_id", Uuid))


_index = _table(INDEX)
