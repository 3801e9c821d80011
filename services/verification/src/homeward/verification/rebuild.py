"""Making the matching index anew from the sealed reports: after a crash, after an erasure, or when asked.

The new index is filled beside the old one, page by page, and swapped in at the end, so that matching
goes on meanwhile if the old one is whole. A swap also removes the bytes of deleted rows, which stay
in a table's file until then.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import FieldClass, ReportReceived
from homeward.common.db import create_engine, is_transient
from homeward.common.keys import CachedKeyring, Erased
from homeward.common.parts import Parts
from homeward.common.sealing import SealBroken, Sealed

from . import matching_index as index
from . import store
from .domain import strong_keys

log = logging.getLogger(__name__)
PAGE = 500
_OPENED = frozenset({FieldClass.ENVELOPE, FieldClass.PERSON_IDENTITY})

_CARRY_OVER = f"""
    INSERT INTO {index.NEXT} SELECT o.* FROM {index.INDEX} o
    WHERE NOT EXISTS (SELECT FROM {index.NEXT} n WHERE n.report_id = o.report_id)
    AND o.report_id <> ALL(CAST(:closed AS uuid[]))
"""  # noqa: S608 - names of ours only
_DROP_ERASED = f"""
    WITH gone AS (DELETE FROM {index.NEXT} n USING reports r
                  WHERE r.report_id = n.report_id AND r.sealed IS NULL RETURNING n.report_id)
    INSERT INTO index_leftovers (report_id) SELECT DISTINCT report_id FROM gone ON CONFLICT DO NOTHING
"""  # noqa: S608
_FOLLOW_LINKS = f"""
    UPDATE {index.NEXT} n SET person_id = l.person_id FROM links l
    WHERE l.report_id = n.report_id AND l.ended_at IS NULL AND l.person_id <> n.person_id
"""  # noqa: S608


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did."""

    reports: int
    keys: int
    seconds: float


async def rebuild(parts: Parts, *, page: int = PAGE) -> Rebuilt | None:
    """Make the index anew and swap it in; None if another process is doing so.

    Raises KeyringUnavailable and database errors; the old index then stands as it was. All is done
    on one direct connection: it ends with a crash, so a half-filled index that PostgreSQL emptied
    can never be swapped in.
    """
    started, reports, keys = perf_counter(), 0, 0
    engine = create_engine(parts.settings.direct_database_url, pool_size=1)
    try:
        async with engine.connect() as db:
            if not await _claim(db):
                return None
            await _start(db)
            leftovers = await index.leftovers(db)
            after: UUID | None = None
            closed: set[UUID] = set()
            while rows := await store.sealed_reports(db, after, page):
                opened = await _open(rows, parts.keyring)
                entries = [
                    index.Entry(key.text, row.person_id, row.report_id)
                    for row in rows
                    if row.report_id in opened
                    for key in strong_keys(opened[row.report_id])
                ]
                await index.add(db, entries, table=index.NEXT)
                await db.commit()
                closed |= {row.report_id for row in rows} - opened.keys()
                after, reports, keys = rows[-1].report_id, reports + len(rows), keys + len(entries)
                log.info("matching index: %d reports read", reports)
            await _finish(db, closed, leftovers)
    finally:
        await engine.dispose()
    done = Rebuilt(reports, keys, perf_counter() - started)
    log.info("matching index rebuilt: %d reports, %d keys, %.1f s", done.reports, done.keys, done.seconds)
    return done


async def keep_whole(parts: Parts, stop: asyncio.Event, forget_within: float) -> None:
    """Rebuild the index whenever it is not whole, and when ``forget_within`` seconds have passed since
    somebody was erased from it, until ``stop``."""
    while not stop.is_set():
        try:
            if await missing(parts):
                log.warning("matching index is not whole: rebuilding it")
                await rebuild(parts)
            elif await _left_over(parts, forget_within):
                await rebuild(parts)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("matching index waits: %s", type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)


async def missing(parts: Parts) -> str | None:
    """``matching index`` while it is not whole; None when it is."""
    async with parts.engine.connect() as db:
        return None if await index.is_whole(db) else "matching index"


async def _left_over(parts: Parts, older_than: float) -> bool:
    async with parts.engine.connect() as db:
        return bool(await index.leftovers(db, older_than))


async def _claim(db: AsyncConnection) -> bool:
    """One rebuild at a time: a lock that ends with the connection."""
    claim = "SELECT pg_try_advisory_lock(hashtextextended('matching index rebuild', 0))"
    return bool(await db.scalar(sa.text(claim)))


async def _start(db: AsyncConnection) -> None:
    for statement in (f"DROP TABLE IF EXISTS {index.NEXT}", *index.create_statements(index.NEXT)):
        await db.execute(sa.text(statement))
    await db.commit()


async def _open(rows: Sequence[store.Row], keyring: CachedKeyring) -> dict[UUID, ReportReceived]:
    """The reports that can be opened, with the class that has the keys only."""
    keys = await keyring.class_keys([str(row.report_id) for row in rows], create=False)
    opened = {}
    for row in rows:
        if isinstance(keys.get(str(row.report_id)), Erased):
            continue
        try:
            fields = Sealed(row.event_id, row.sealed).open(keys, only=_OPENED).fields
        except SealBroken:
            # It opened when it came. One broken report must not keep all others from being matched.
            log.error("a sealed report does not open", extra={"report_id": row.report_id})
            continue
        opened[row.report_id] = ReportReceived.model_validate(fields)
    return opened


async def _finish(db: AsyncConnection, closed: Collection[UUID], leftovers: Collection[UUID]) -> None:
    """Bring the new index up to what happened meanwhile, and put it in the place of the old one.

    ``closed`` are reports that did not open: what the old index has of them is not carried over.
    ``leftovers`` are those that were erased before this rebuild began: they never were in the new file.
    """
    for statement in index.index_statements(index.NEXT):
        await db.execute(sa.text(statement))
    await db.commit()
    await db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('matching index', 0))"))
    if await index.is_whole(db):
        await db.execute(sa.text(_CARRY_OVER), {"closed": list(closed)})
    await index.leftovers_gone(db, leftovers)
    for statement in (
        _DROP_ERASED,
        _FOLLOW_LINKS,
        f"DROP TABLE {index.INDEX}",
        f"ALTER TABLE {index.NEXT} RENAME TO {index.INDEX}",
        "INSERT INTO matching_index_whole VALUES (true) ON CONFLICT DO NOTHING",
    ):
        await db.execute(sa.text(statement))
    await db.commit()
