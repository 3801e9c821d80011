"""The keyring's tables: wrapped data keys, by what they are wrapped, and tombstones of those destroyed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, LargeBinary, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.tables import instant

metadata = sa.MetaData()

data_keys = sa.Table(
    "data_keys",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kek_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    instant("created_at"),
)
tombstones = sa.Table(
    "tombstones",
    metadata,
    Column("subject", Text, primary_key=True),
    instant("erased_at"),
    Column("kek_id", Text),
)
"""``kek_id`` is what the key was wrapped by when it was destroyed (NULL: there was none): older backups
still hold it, and are unreadable once that key-encryption key is destroyed too."""

keks = sa.Table(
    "keks",
    metadata,
    Column("kek_id", Text, primary_key=True),
    instant("current_from"),
    instant("retired_at", nullable=True),
    instant("rewrapped_at", nullable=True),
    instant("destroyed_at", nullable=True),
    # One is current: the database says which, so that all processes make keys by the same.
    sa.Index("keks_current", sa.text("(true)"), unique=True, postgresql_where=sa.text("retired_at IS NULL")),
)
"""The key-encryption keys there were: since when new data keys are wrapped by another, since when no live
data key is wrapped by it any more, since when it is no more."""

_CREATE = sa.text(
    "INSERT INTO data_keys (subject, kek_id, wrapped, created_at) SELECT s, :kek_id, w, :now "
    "FROM unnest(CAST(:subjects AS text[]), CAST(:wrapped AS bytea[])) AS t (s, w) "
    "ON CONFLICT DO NOTHING"
)
_REWRAP = sa.text(
    "UPDATE data_keys d SET kek_id = :kek_id, wrapped = t.w "
    "FROM unnest(CAST(:subjects AS text[]), CAST(:wrapped AS bytea[])) AS t (s, w) WHERE d.subject = t.s"
)
_BURY = sa.text(
    "WITH gone AS (DELETE FROM data_keys WHERE subject = ANY(CAST(:subjects AS text[])) "
    "RETURNING subject, kek_id) "
    "INSERT INTO tombstones (subject, erased_at, kek_id) "
    "SELECT s, :now, gone.kek_id FROM unnest(CAST(:subjects AS text[])) AS t (s) "
    "LEFT JOIN gone ON gone.subject = s ON CONFLICT DO NOTHING RETURNING subject, kek_id"
)


@dataclass(frozen=True)
class Wrapped:
    """A data key as it is kept, and the id of the key-encryption key that unwraps it."""

    kek_id: str
    key: bytes


async def lock_against_erasure(db: AsyncConnection, *, erasing: bool) -> None:
    """Creating (shared) and erasing (alone) exclude each other, so that no key is made for a subject
    while it is being erased."""
    shared = "" if erasing else "_shared"
    await db.execute(sa.text(f"SELECT pg_advisory_xact_lock{shared}(hashtextextended('erasure', 0))"))


async def erased_among(db: AsyncConnection, subjects: Collection[str]) -> dict[str, datetime]:
    """Those of ``subjects`` that are erased, and when."""
    found = sa.select(tombstones).where(tombstones.c.subject == sa.any_(sa.literal(list(subjects), _TEXTS)))
    return {row.subject: row.erased_at for row in await db.execute(found)}


async def wrapped_keys(db: AsyncConnection, subjects: Collection[str]) -> dict[str, Wrapped]:
    """The wrapped data keys of those of ``subjects`` that have one."""
    return _wrapped(
        await db.execute(_KEYS.where(data_keys.c.subject == sa.any_(sa.literal(list(subjects), _TEXTS))))
    )


async def current_kek(db: AsyncConnection) -> str | None:
    """The id of the key-encryption key that new data keys are wrapped by; None before the first."""
    found: str | None = await db.scalar(sa.select(keks.c.kek_id).where(keks.c.retired_at.is_(None)))
    return found


async def needed_keks(db: AsyncConnection) -> set[str]:
    """The ids of those without which some data key cannot be opened."""
    return set((await db.execute(sa.select(keks.c.kek_id).where(keks.c.rewrapped_at.is_(None)))).scalars())


async def leaving_kek(db: AsyncConnection) -> sa.Row[Any] | None:
    """The one that another took over from and that is not destroyed yet; there is one at most."""
    leaving = keks.c.retired_at.is_not(None) & keks.c.destroyed_at.is_(None)
    return (await db.execute(sa.select(keks).where(leaving))).first()


async def add_kek(db: AsyncConnection, kek_id: str, now: datetime) -> bool:
    """Have ``kek_id`` be the current one; False if there is a current one, or it was one before."""
    row = {"kek_id": kek_id, "current_from": now}
    added = await db.execute(insert(keks).values(row).on_conflict_do_nothing().returning(keks.c.kek_id))
    return added.first() is not None


async def date_kek(db: AsyncConnection, kek_id: str, event: str, now: datetime) -> bool:
    """It happened to ``kek_id`` now: ``retired_at``, ``rewrapped_at`` or ``destroyed_at``; False if it had
    happened before."""
    undated = sa.update(keks).where(keks.c.kek_id == kek_id, keks.c[event].is_(None))
    return (await db.execute(undated.values({event: now}).returning(keks.c.kek_id))).first() is not None


async def page_of_keys(db: AsyncConnection, after: str, limit: int) -> dict[str, Wrapped]:
    """Up to ``limit`` data keys in the order of subjects, behind ``after``."""
    return _wrapped(
        await db.execute(_KEYS.where(data_keys.c.subject > after).order_by(data_keys.c.subject).limit(limit))
    )


async def lock_keys_under(db: AsyncConnection, kek_id: str, after: str, limit: int) -> dict[str, Wrapped]:
    """The same of those wrapped by ``kek_id``, locked. What others hold, who can only be erasing it, is
    passed over: whoever never waits is in no deadlock."""
    found = _KEYS.where(data_keys.c.subject > after, data_keys.c.kek_id == kek_id)
    return _wrapped(
        await db.execute(found.order_by(data_keys.c.subject).limit(limit).with_for_update(skip_locked=True))
    )


async def any_under(db: AsyncConnection, kek_id: str) -> bool:
    """Whether a data key is still wrapped by ``kek_id``."""
    return bool(await db.scalar(sa.select(sa.exists().where(data_keys.c.kek_id == kek_id))))


async def rewrap(db: AsyncConnection, kek_id: str, wrapped: Mapping[str, bytes]) -> None:
    """Replace the wrappings of keys that the caller has locked."""
    subjects = sorted(wrapped)
    await db.execute(
        _REWRAP, {"kek_id": kek_id, "subjects": subjects, "wrapped": [wrapped[s] for s in subjects]}
    )


async def create_keys(db: AsyncConnection, kek_id: str, wrapped: Mapping[str, bytes], now: datetime) -> None:
    """Keep new wrapped keys; where another transaction was first, its key stands."""
    subjects = sorted(wrapped)
    row = {"kek_id": kek_id, "subjects": subjects, "wrapped": [wrapped[s] for s in subjects], "now": now}
    await db.execute(_CREATE, row)


async def destroy(db: AsyncConnection, subjects: Collection[str], now: datetime) -> dict[str, str | None]:
    """Delete the keys of ``subjects`` and bury them; those that were not erased before, each with the id of
    the key-encryption key that its key was wrapped by."""
    buried = await db.execute(_BURY, {"subjects": sorted(subjects), "now": now})
    return {row.subject: row.kek_id for row in buried}


def _wrapped(rows: "sa.CursorResult[Any]") -> dict[str, Wrapped]:
    return {row.subject: Wrapped(row.kek_id, row.wrapped) for row in rows}


_TEXTS = sa.ARRAY(Text)
_KEYS = sa.select(data_keys.c.subject, data_keys.c.kek_id, data_keys.c.wrapped)
