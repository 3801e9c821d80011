"""Intake's tables: which reports were accepted. What they say is sealed, in the outbox."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Column, LargeBinary, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.db import copy_in
from homeward.common.tables import instant

metadata = sa.MetaData()

reports = sa.Table(
    "reports",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("reporter_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("organisation", Text, nullable=False),
    Column("row_key", LargeBinary, nullable=False, unique=True),
    Column("row_fingerprint", LargeBinary, nullable=False),
    Column("receipt_hash", LargeBinary, nullable=False, unique=True),
    instant("received_at"),
    instant("erased_at", nullable=True),
)


@dataclass(frozen=True)
class Accepted:
    """A report about to be recorded."""

    report_id: UUID
    reporter_id: UUID
    event_id: UUID
    organisation: str
    row_key: bytes
    row_fingerprint: bytes
    receipt_hash: bytes
    received_at: datetime


async def known_rows(db: AsyncConnection, row_keys: Collection[bytes]) -> dict[bytes, sa.Row[Any]]:
    """Reports recorded before, by row key."""
    keys = sa.literal(sorted(set(row_keys)), sa.ARRAY(LargeBinary))
    found = await db.execute(sa.select(reports).where(reports.c.row_key == sa.any_(keys)))
    return {row.row_key: row for row in found}


async def lock_rows(db: AsyncConnection, row_keys: Collection[bytes]) -> None:
    """Keep others from recording the same rows until the transaction ends; one order, no deadlock.

    The keys are folded to 256 locks: a list of any length fits the server's lock table.
    """
    folded = sorted({key[0] for key in row_keys})
    await db.execute(
        sa.text("SELECT pg_advisory_xact_lock(77, k) FROM unnest(CAST(:keys AS int[])) AS t (k)"),
        {"keys": folded},
    )


async def add_reports(db: AsyncConnection, accepted: Sequence[Accepted]) -> None:
    """Record them."""
    await copy_in(db, reports, [vars(row) for row in accepted])


async def report_by_receipt(
    db: AsyncConnection, receipt_hash: bytes, organisation: str
) -> sa.Row[Any] | None:
    """The report of a receipt, if that organisation handed it in."""
    found = await db.execute(
        sa.select(reports).where(
            reports.c.receipt_hash == receipt_hash, reports.c.organisation == organisation
        )
    )
    return found.first()


async def mark_erased(db: AsyncConnection, report_ids: Collection[UUID], now: datetime) -> None:
    """Nothing of these reports can be read any more."""
    await db.execute(
        sa.update(reports)
        .where(reports.c.report_id == sa.any_(sa.literal(list(report_ids), sa.ARRAY(Uuid))))
        .values(erased_at=now)
    )
