"""Audit's sequencer, beside inserting the same bytes in the same batches."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from homeward.audit.app import create_service
from homeward.audit.configure import write_log_key
from homeward.audit.domain import entries_of
from homeward.audit.sequencer import BATCH, Sequencer
from homeward.audit.settings import Settings

from .ground import Ground, Row, batches, connection, reports, rows_of
from .pairs import Hop, Meter

ENTRIES = {"index": "bigint", "leaf": "bytea"}
RECORDS = {
    "index": "bigint",
    "event_id": "uuid",
    "type": "text",
    "subject": "text",
    "time": "timestamptz",
    "actor": "text",
    "source": "text",
    "sequence": "bigint",
    "headers": "bytea",
    "value": "bytea",
}


@asynccontextmanager
async def hop(ground: Ground) -> AsyncIterator[Hop]:
    """Records become entries, tiles and a signed checkpoint; floor: INSERT of entries and records."""
    async with ground.world("sequencing") as world, connection(world) as db:
        key_file = ground.folder / "log.key"
        write_log_key(key_file)
        service = await world.start(create_service, Settings, log_key_file=key_file)
        sequencer = Sequencer(service.parts, service.parts.own["signer"])
        count = ground.count(3_000, 2_000)
        received = batches(await world.records(*reports(count, world)), BATCH)

        async def clear() -> None:
            await db.execute("TRUNCATE entries, records, tiles, checkpoints")

        async def ours(meter: Meter) -> None:
            await clear()
            with meter:
                for batch in received:
                    entries, stopped = entries_of(batch)
                    assert stopped is None, stopped
                    await sequencer.sequence(entries)

        await ours(Meter())
        entries = batches(await rows_of(db, "entries", ", ".join(ENTRIES), "index"), BATCH)
        records = batches(await rows_of(db, "records", ", ".join(RECORDS), "index"), BATCH)
        columns = [(_columns(some), _columns(others)) for some, others in zip(entries, records, strict=True)]

        async def floor(meter: Meter) -> None:
            await clear()
            with meter:
                for some, others in columns:
                    async with db.transaction():
                        await _insert(db, "entries", ENTRIES, some)
                        await _insert(db, "records", RECORDS, others)

        yield Hop("audit sequencing", "entries", count, ours, floor, 0.5)


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _insert(
    db: asyncpg.Connection, table: str, types: dict[str, str], columns: Sequence[list[object]]
) -> None:
    """One statement, an array a column: what inserts fastest short of COPY."""
    arrays = ", ".join(f"${n}::{name}[]" for n, name in enumerate(types.values(), 1))
    names = ", ".join(f'"{name}"' for name in types)
    await db.execute(f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})", *columns)
