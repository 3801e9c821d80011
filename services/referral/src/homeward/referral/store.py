"""Referral's tables: a case per person, and the referrals of a case."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.db import copy_in
from homeward.common.tables import instant

from .domain import CLOSED, ERASED, FIRST_CASE_STATUS, FIRST_SEARCH_STATUS

metadata = sa.MetaData()
_TEXTS = sa.ARRAY(Text)
_UUIDS = sa.ARRAY(Uuid)

cases = sa.Table(
    "cases",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("person_id", Uuid, nullable=False, unique=True),
    Column("case_status", Text, nullable=False),
    Column("search_status", Text, nullable=False),
    instant("opened_at"),
    instant("closed_at", nullable=True),
    Column("reason", Text),
)
"""One a person. A person erased before we heard of them has a closed case, so that none is opened."""

referrals = sa.Table(
    "referrals",
    metadata,
    Column("referral_id", Uuid, primary_key=True),
    Column("case_id", Uuid, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("receiving_agency", Text, nullable=False),
    Column("asking_organisation", Text, nullable=False),
    Column("classes", _TEXTS, nullable=False),
    Column("services", _TEXTS, nullable=False),
    Column("priority", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    instant("opened_at"),
    instant("respond_by"),
    instant("moved_at", nullable=True),
    sa.Index("referrals_of_agency", "receiving_agency", "state", "referral_id"),
)

Row = sa.Row[*tuple[Any, ...]]


@dataclass
class Case:
    """A case as a batch sees it."""

    case_id: UUID
    person_id: UUID
    is_open: bool


async def lock_people(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Wait for every transaction that opens or closes cases of these, in one order for all: a person
    may be registered on one topic and erased on another at the same moment."""
    await db.execute(
        sa.text("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(:numbers AS bigint[])) AS n"),
        {"numbers": sorted(_lock_number(person_id) for person_id in set(person_ids))},
    )


async def lock_cases_of(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, Case]:
    """Person → case, locked in one order for all."""
    found = (
        sa.select(cases.c.case_id, cases.c.person_id, cases.c.closed_at)
        .where(cases.c.person_id == sa.any_(sa.literal(list(person_ids), _UUIDS)))
        .order_by(cases.c.case_id)
        .with_for_update()
    )
    return {
        row.person_id: Case(row.case_id, row.person_id, row.closed_at is None)
        for row in await db.execute(found)
    }


async def add_cases(db: AsyncConnection, new: Sequence[Case], now: datetime) -> None:
    """Write new cases; one that is closed from the start is of an erased person."""
    rows = [
        {
            "case_id": case.case_id,
            "person_id": case.person_id,
            "case_status": FIRST_CASE_STATUS if case.is_open else CLOSED,
            "search_status": FIRST_SEARCH_STATUS,
            "opened_at": now,
            "closed_at": None if case.is_open else now,
            "reason": None if case.is_open else ERASED,
        }
        for case in new
    ]
    await copy_in(db, cases, rows)


async def close_cases(db: AsyncConnection, closed: Sequence[Case], reason: str, now: datetime) -> None:
    """Close cases that are written already."""
    if closed:
        ids = [case.case_id for case in closed]
        await db.execute(
            sa.update(cases)
            .where(cases.c.case_id == sa.any_(sa.literal(ids, _UUIDS)), cases.c.closed_at.is_(None))
            .values(case_status=CLOSED, closed_at=now, reason=reason)
        )


async def case(db: AsyncConnection, case_id: UUID, *, lock: bool = False) -> Row | None:
    """The row of a case, locked if asked; None for an unknown one."""
    found = sa.select(cases).where(cases.c.case_id == case_id)
    return (await db.execute(found.with_for_update() if lock else found)).first()


async def case_of(db: AsyncConnection, person_id: UUID) -> Row | None:
    """The row of a person's case."""
    return (await db.execute(sa.select(cases).where(cases.c.person_id == person_id))).first()


async def add_referral(db: AsyncConnection, **row: Any) -> None:
    """Keep a referral; the columns of ``referrals``."""
    await db.execute(sa.insert(referrals).values(row))


async def referral(db: AsyncConnection, referral_id: UUID, *, lock: bool = False) -> Row | None:
    """The row of a referral, locked if asked; None for an unknown one. Lock its case first."""
    found = sa.select(referrals).where(referrals.c.referral_id == referral_id)
    return (await db.execute(found.with_for_update() if lock else found)).first()


async def referrals_of(db: AsyncConnection, case_id: UUID) -> Sequence[Row]:
    """All referrals of a case, oldest first."""
    found = sa.select(referrals).where(referrals.c.case_id == case_id).order_by(referrals.c.referral_id)
    return (await db.execute(found)).all()


async def find_referrals(
    db: AsyncConnection, *, state: str | None, agency: str | None, after: UUID | None, limit: int
) -> Sequence[Row]:
    """Up to ``limit`` referrals, oldest first: in ``state``, to ``agency``, with ids above ``after``."""
    found = sa.select(referrals).order_by(referrals.c.referral_id).limit(limit)
    if state is not None:
        found = found.where(referrals.c.state == state)
    if agency is not None:
        found = found.where(referrals.c.receiving_agency == agency)
    if after is not None:
        found = found.where(referrals.c.referral_id > after)
    return (await db.execute(found)).all()


async def move_referral(db: AsyncConnection, referral_id: UUID, **changes: Any) -> None:
    """Change a referral that the caller has locked."""
    await db.execute(sa.update(referrals).where(referrals.c.referral_id == referral_id).values(changes))


def _lock_number(person_id: UUID) -> int:
    """The advisory lock of a person: 64 bits of a hash."""
    return int.from_bytes(sha256(f"case of|{person_id}".encode()).digest()[:8], "big", signed=True)
