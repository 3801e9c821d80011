"""Verification's tables: persons, the reports about them, how they are linked, what was asserted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ARRAY, BigInteger, Column, ForeignKey, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts.verification import LinkBasis
from homeward.common.db import copy_in
from homeward.common.tables import instant, stored_as_it_is

metadata = sa.MetaData()

persons = sa.Table(
    "persons",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    instant("created_at"),
    instant("erased_at", nullable=True),
    Column("erased_under", ARRAY(Text)),
)
"""``erased_under``: what wrapped the keys that were destroyed, by id; NULL until the keyring has said so.
Copies of its database hold them until these key-encryption keys are destroyed as well."""

destroyed_keks = sa.Table(
    "destroyed_keks", metadata, Column("kek_id", Text, primary_key=True), instant("destroyed_at")
)

reports = sa.Table(
    "reports",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("reporter_id", Uuid, nullable=False),
    Column("sealed", LargeBinary),
)
"""``sealed`` is the record's value exactly as it came; NULL once its keys are destroyed."""
stored_as_it_is(reports.c.sealed)

links = sa.Table(
    "links",
    metadata,
    Column("position", BigInteger, sa.Identity(), primary_key=True),
    Column("report_id", Uuid, ForeignKey("reports.report_id"), nullable=False),
    Column("person_id", Uuid, ForeignKey("persons.person_id"), nullable=False),
    Column("basis", Text),
    Column("actor", Text, nullable=False),
    instant("linked_at"),
    instant("ended_at", nullable=True),
    sa.Index("links_current", "report_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
    sa.Index("links_of_person", "person_id", postgresql_where=sa.text("ended_at IS NULL")),
)
"""Whom a report is held to be about. A link is ended and followed, never changed: the history stays.
``basis`` is NULL where the report founded the person."""

statuses = sa.Table(
    "statuses",
    metadata,
    Column("assertion_id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.person_id"), nullable=False, index=True),
    Column("event_id", Uuid, nullable=False),
    Column("trafficking_status", Text, nullable=False),
    Column("deciding_organisation", Text, nullable=False),
    Column("actor", Text, nullable=False),
    instant("asserted_at"),
)
"""Assertions, append-only; the reason is in the outbox, sealed."""

announced = sa.Table(
    "announced",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.person_id"), nullable=False),
    Column("basis", Text),
    instant("linked_at"),
)
"""Whom reports are about that were linked before this database was restored, until each is read again."""

_BACKUPS_UNREADABLE_SINCE = sa.literal_column(
    "CASE WHEN cardinality(erased_under) = 0 THEN erased_at ELSE ("
    "SELECT CASE WHEN bool_and(d.kek_id IS NOT NULL) THEN max(d.destroyed_at) END "
    "FROM unnest(erased_under) AS under (kek_id) LEFT JOIN destroyed_keks d ON d.kek_id = under.kek_id) END",
    sa.DateTime(timezone=True),
).label("backups_unreadable_since")
"""When the last key-encryption key was destroyed that wrapped a key of the person; NULL while one is left, or
while it is not known which there were."""

_CURRENT = links.c.ended_at.is_(None)
_UUIDS = sa.ARRAY(Uuid)
_TEXTS = sa.ARRAY(Text)

Row = sa.Row[*tuple[Any, ...]]


@dataclass(frozen=True)
class NewLink:
    """A report met for the first time, and whom it is about."""

    report_id: UUID
    event_id: UUID
    reporter_id: UUID
    sealed: bytes
    person_id: UUID
    basis: LinkBasis | None
    linked_at: datetime


async def lock_persons(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """Lock those of ``person_ids`` that are there, in one order for all; when each was erased, if it was."""
    found = (
        sa.select(persons.c.person_id, persons.c.erased_at)
        .where(_among(persons.c.person_id, person_ids))
        .order_by(persons.c.person_id)
        .with_for_update()
    )
    return {row.person_id: row.erased_at for row in await db.execute(found)} if person_ids else {}


async def add_persons(db: AsyncConnection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Register persons."""
    await copy_in(db, persons, [{"person_id": person_id, "created_at": now} for person_id in person_ids])


async def add_reports(db: AsyncConnection, new: Sequence[NewLink], actor: str) -> None:
    """Keep reports and their first links."""
    kept = [
        {"report_id": n.report_id, "event_id": n.event_id, "reporter_id": n.reporter_id, "sealed": n.sealed}
        for n in new
    ]
    await copy_in(db, reports, kept)
    await copy_in(db, links, [_link(n.report_id, n.person_id, n.basis, actor, n.linked_at) for n in new])


async def move_report(
    db: AsyncConnection, report_id: UUID, person_id: UUID, actor: str, now: datetime
) -> None:
    """End a report's link and have the report be about ``person_id`` from now on."""
    await db.execute(sa.update(links).where(links.c.report_id == report_id, _CURRENT).values(ended_at=now))
    await db.execute(sa.insert(links).values(_link(report_id, person_id, None, actor, now)))


async def announce(
    db: AsyncConnection, report_id: UUID, person_id: UUID, basis: LinkBasis | None, linked_at: datetime
) -> None:
    """Remember whom a report is about that is yet to be read again; what is said later counts."""
    row = {"report_id": report_id, "person_id": person_id, "basis": basis, "linked_at": linked_at}
    statement = insert(announced).values(row)
    await db.execute(statement.on_conflict_do_update(index_elements=["report_id"], set_=row))


async def take_announced(
    db: AsyncConnection, report_ids: Collection[UUID]
) -> dict[UUID, tuple[UUID, LinkBasis | None, datetime]]:
    """Whom those of these reports are about that were announced, why and since when; they are no longer."""
    found = await db.execute(
        sa.delete(announced).where(_among(announced.c.report_id, report_ids)).returning(announced)
    )
    return {
        row.report_id: (row.person_id, row.basis and LinkBasis(row.basis), row.linked_at) for row in found
    }


async def reports_of(db: AsyncConnection, person_ids: Collection[UUID]) -> Sequence[Row]:
    """(report_id, person_id, reporter_id, erased) of what is linked to ``person_ids``, oldest link first.

    The same after a restore, when the links are written again in whatever order the reports come in."""
    found = (
        sa.select(
            links.c.report_id,
            links.c.person_id,
            reports.c.reporter_id,
            reports.c.sealed.is_(None).label("erased"),
        )
        .join(reports, reports.c.report_id == links.c.report_id)
        .where(_among(links.c.person_id, person_ids), _CURRENT)
        .order_by(links.c.linked_at, links.c.basis.is_not(None), links.c.report_id)
    )
    return (await db.execute(found)).all()


async def person_of(db: AsyncConnection, report_id: UUID) -> UUID | None:
    """Whom a report is about; None for an unknown report."""
    found: UUID | None = await db.scalar(
        sa.select(links.c.person_id).where(links.c.report_id == report_id, _CURRENT)
    )
    return found


async def person(db: AsyncConnection, person_id: UUID) -> Row | None:
    """(person_id, created_at, erased_at, backups_unreadable_since); None for an unknown person."""
    found = sa.select(persons, _BACKUPS_UNREADABLE_SINCE).where(persons.c.person_id == person_id)
    return (await db.execute(found)).first()


async def add_status(db: AsyncConnection, **row: Any) -> None:
    """Keep an assertion; the columns of ``statuses``."""
    await db.execute(sa.insert(statuses).values(row))


async def statuses_of(db: AsyncConnection, person_id: UUID) -> Sequence[Row]:
    """All assertions about a person, oldest first."""
    found = sa.select(statuses).where(statuses.c.person_id == person_id).order_by(statuses.c.assertion_id)
    return (await db.execute(found)).all()


async def mark_erased(
    db: AsyncConnection, person_ids: Collection[UUID], report_ids: Collection[UUID], at: datetime
) -> None:
    """Blank reports whose keys are destroyed, and date the erasure of persons; doing it again is harmless."""
    await db.execute(
        sa.update(reports)
        .where(_among(reports.c.report_id, report_ids), reports.c.sealed.is_not(None))
        .values(sealed=None)
    )
    await db.execute(
        sa.update(persons)
        .where(_among(persons.c.person_id, person_ids), persons.c.erased_at.is_(None))
        .values(erased_at=at)
    )


async def note_wrapping(db: AsyncConnection, person_ids: Collection[UUID], kek_ids: Collection[str]) -> None:
    """What wrapped the keys that these persons' erasure destroyed; a later one may add to it."""
    before = sa.func.coalesce(persons.c.erased_under, sa.literal([], _TEXTS))
    await db.execute(
        sa.update(persons)
        .where(_among(persons.c.person_id, person_ids))
        .values(erased_under=before.concat(sa.literal(sorted(kek_ids), _TEXTS)))
    )


async def note_destroyed(db: AsyncConnection, kek_id: str, at: datetime) -> None:
    """A key-encryption key is no more."""
    await db.execute(insert(destroyed_keks).values(kek_id=kek_id, destroyed_at=at).on_conflict_do_nothing())


async def sealed_reports(db: AsyncConnection, after: UUID | None, limit: int) -> Sequence[Row]:
    """Up to ``limit`` (report_id, event_id, sealed, person_id) in the order of ids, after ``after``."""
    found = (
        sa.select(reports.c.report_id, reports.c.event_id, reports.c.sealed, links.c.person_id)
        .join(links, sa.and_(links.c.report_id == reports.c.report_id, _CURRENT))
        .where(reports.c.sealed.is_not(None))
        .order_by(reports.c.report_id)
        .limit(limit)
    )
    if after is not None:
        found = found.where(reports.c.report_id > after)
    return (await db.execute(found)).all()


async def counts(db: AsyncConnection) -> Row:
    """(reports, persons, erased): what is kept readable, and how many persons were erased."""
    kept = sa.select(sa.func.count()).select_from(reports).where(reports.c.sealed.is_not(None))
    there = sa.select(sa.func.count()).select_from(persons)
    counted = sa.select(
        kept.scalar_subquery().label("reports"),
        there.where(persons.c.erased_at.is_(None)).scalar_subquery().label("persons"),
        there.where(persons.c.erased_at.is_not(None)).scalar_subquery().label("erased"),
    )
    return (await db.execute(counted)).one()


def _among(column: Column[Any], ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    return column == sa.any_(sa.literal(list(ids), _UUIDS))


def _link(
    report_id: UUID, person_id: UUID, basis: LinkBasis | None, actor: str, now: datetime
) -> dict[str, Any]:
    return {
        "report_id": report_id, "person_id": person_id, "basis": basis, "actor": actor, "linked_at": now,
    }  # fmt: skip
