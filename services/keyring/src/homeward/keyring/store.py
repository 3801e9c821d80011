"""The keyring's tables: wrapped data keys, and tombstones of those destroyed."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, LargeBinary, Text
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
tombstones = sa.Table("tombstones", metadata, Column("subject", Text, primary_key=True), instant("erased_at"))

_CREATE = sa.text(
    "INSERT INTO data_keys (subject, kek_id, wrapped, created_at) SELECT s, :kek_id, w, :now "
    "FROM unnest(CAST(:subjects AS text[]), CAST(:wrapped AS bytea[])) AS t (s, w) "
    "ON CONFLICT DO NOTHING"
)
_BURY = sa.text(
    "INSERT INTO tombstones (subject, erased_at) SELECT unnest(CAST(:subjects AS text[])), :now "
    "ON CONFLICT DO NOTHING RETURNING subject"
)


async def lock_against_erasure(db: AsyncConnection, *, erasing: bool) -> None:
    """Creating (shared) and erasing (alone) exclude each other, so that no key is made for a subject
    while it is being erased."""
    shared = "" if erasing else "_shared"
    await db.execute(sa.text(f"SELECT pg_advisory_xact_lock{shared}(hashtextextended('erasure', 0))"))


async def erased_among(db: AsyncConnection, subjects: Collection[str]) -> dict[str, datetime]:
    """Those of ``subjects`` that are erased, and when."""
    found = sa.select(tombstones).where(tombstones.c.subject == sa.any_(sa.literal(list(subjects), _TEXTS)))
    return {row.subject: row.erased_at for row in await db.execute(found)}


async def wrapped_keys(db: AsyncConnection, subjects: Collection[str]) -> dict[str, bytes]:
    """The wrapped data keys of those of ``subjects`` that have one."""
    found = sa.select(data_keys.c.subject, data_keys.c.wrapped).where(
        data_keys.c.subject == sa.any_(sa.literal(list(subjects), _TEXTS))
    )
    return {row.subject: row.wrapped for row in await db.execute(found)}


async def wrapped_by_another(db: AsyncConnection, kek_id: str) -> bool:
    """Whether the keys here belong to another key-encryption key; one look, since all have the same."""
    found = await db.scalar(sa.select(data_keys.c.kek_id).limit(1))
    return found is not None and found != kek_id


async def create_keys(db: AsyncConnection, kek_id: str, wrapped: Mapping[str, bytes], now: datetime) -> None:
    """Keep new wrapped keys; where another transaction was first, its key stands."""
    subjects = sorted(wrapped)
    row = {"kek_id": kek_id, "subjects": subjects, "wrapped": [wrapped[s] for s in subjects], "now": now}
    await db.execute(_CREATE, row)


async def destroy(db: AsyncConnection, subjects: Collection[str], now: datetime) -> set[str]:
    """Delete the keys of ``subjects`` and bury them; those that were not erased before."""
    buried = await db.execute(_BURY, {"subjects": sorted(subjects), "now": now})
    await db.execute(
        sa.delete(data_keys).where(data_keys.c.subject == sa.any_(sa.literal(list(subjects), _TEXTS)))
    )
    return set(buried.scalars())


_TEXTS = sa.ARRAY(Text)
