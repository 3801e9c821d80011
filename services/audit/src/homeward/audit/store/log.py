"""The log as the world sees it: entries, tiles, checkpoints."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.db import copy_in
from homeward.tlog.merkle import HASH_SIZE
from homeward.tlog.tiles import WIDTH, Tile

from .tables import checkpoints, entries, tiles

_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('homeward audit log', 0))")
_TILES = sa.text(
    "SELECT t.level, t.index, t.data FROM tiles t "
    "JOIN unnest(CAST(:levels AS int[]), CAST(:indices AS bigint[])) AS w (level, index) "
    "USING (level, index)"
)
_PUT_TILES = sa.text(
    "INSERT INTO tiles (level, index, data) "
    "SELECT * FROM unnest(CAST(:levels AS int[]), CAST(:indices AS bigint[]), CAST(:data AS bytea[])) "
    "ON CONFLICT (level, index) DO UPDATE SET data = excluded.data"
)


async def lock(db: AsyncConnection) -> None:
    """Wait until no other transaction extends the log: two that did could sign two histories."""
    await db.execute(_LOCK)


async def newest_checkpoint(db: AsyncConnection) -> tuple[int, bytes] | None:
    """Size and signed note of the newest checkpoint; None before the first."""
    newest = sa.select(checkpoints.c.size, checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    row = (await db.execute(newest)).first()
    return (row.size, row.note) if row else None


async def checkpoint_of(db: AsyncConnection, size: int) -> bytes | None:
    """The signed note of the checkpoint published at ``size``; None if there was none."""
    note: bytes | None = await db.scalar(sa.select(checkpoints.c.note).where(checkpoints.c.size == size))
    return note


async def add_checkpoint(db: AsyncConnection, size: int, note: bytes, now: datetime) -> None:
    """Keep a checkpoint; IntegrityError if that size was signed before."""
    await db.execute(sa.insert(checkpoints).values(size=size, note=note, at=now))


async def add_entries(db: AsyncConnection, first: int, leaves: Sequence[bytes]) -> None:
    """Keep ``leaves`` from index ``first`` on; UniqueViolationError if one of those is taken."""
    await copy_in(db, entries, [{"index": index, "leaf": leaf} for index, leaf in enumerate(leaves, first)])


async def entries_from(db: AsyncConnection, first: int, count: int) -> list[bytes]:
    """The entries ``first`` to ``first + count - 1``, as far as they are there."""
    wanted = (
        sa.select(entries.c.leaf)
        .where(entries.c.index >= first, entries.c.index < first + count)
        .order_by(entries.c.index)
    )
    return list((await db.execute(wanted)).scalars())


async def tiles_at(db: AsyncConnection, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The bytes of the tiles (level, index) that are there."""
    if not wanted:
        return {}
    found = await db.execute(_TILES, {"levels": [w[0] for w in wanted], "indices": [w[1] for w in wanted]})
    return {(level, index): data for level, index, data in found}


async def tile_prefix(db: AsyncConnection, level: int, index: int, width: int = WIDTH) -> bytes | None:
    """The first ``width`` hashes of a tile; None if it has not as many."""
    wanted = sa.select(sa.func.substr(tiles.c.data, 1, width * HASH_SIZE)).where(
        tiles.c.level == level,
        tiles.c.index == index,
        sa.func.octet_length(tiles.c.data) >= width * HASH_SIZE,
    )
    data: bytes | None = await db.scalar(wanted)
    return data


async def put_tiles(db: AsyncConnection, written: Sequence[Tile]) -> None:
    """Keep tiles as they are now, whole."""
    row = {
        "levels": [tile.level for tile in written],
        "indices": [tile.index for tile in written],
        "data": [tile.data for tile in written],
    }
    await db.execute(_PUT_TILES, row)
