"""What others' events say that visibility depends on: kept whatever order it comes in.

Rows are locked in one order throughout: reports, then persons, then the agencies' counters.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import ReportReceived
from homeward.common.db import copy_in

from ..domain import Arrival, in_order
from .cases import any_of
from .many import Rows, insert_new, update
from .tables import erased, events, persons, referrals, reports


async def add_persons(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Make sure they are there."""
    await insert_new(db, persons, [{"person_id": person_id} for person_id in sorted(person_ids)])


async def lock_reports(db: AsyncConnection, report_ids: Collection[UUID]) -> Mapping[UUID, sa.Row[Any]]:
    """Make sure they are there, and take their rows: whom they are about, and by which link."""
    if not report_ids:
        return {}
    await insert_new(db, reports, [{"report_id": report_id} for report_id in sorted(report_ids)])
    columns = ("report_id", "person_id", "link_epoch", "link_sequence")
    query: sa.Select[Any] = sa.select(*(reports.c[name] for name in columns)).where(
        any_of(reports.c.report_id, report_ids)
    )
    found = await db.execute(query.order_by(reports.c.report_id).with_for_update())
    return {row.report_id: row for row in found}


async def put_facts(db: AsyncConnection, rows: Rows) -> None:
    """What policies ask of reports."""
    await update(db, reports, "report_id", rows)


async def put_links(db: AsyncConnection, rows: Rows) -> None:
    """Whom reports are about."""
    await update(db, reports, "report_id", rows)


async def name_persons(db: AsyncConnection, report_ids: Collection[UUID]) -> None:
    """Give the own events of ``report_ids`` the persons their reports are about."""
    if report_ids:
        await db.execute(
            sa.update(events)
            .where(
                events.c.report_id == reports.c.report_id,
                events.c.type == ReportReceived.TYPE,
                any_of(reports.c.report_id, report_ids),
                events.c.person_id.is_distinct_from(reports.c.person_id),
            )
            .values(person_id=reports.c.person_id)
        )


async def add_events(
    db: AsyncConnection, arrivals: Sequence[Arrival], told: Mapping[UUID, Sequence[str]]
) -> None:
    """Keep case events as they came; ``told``: the agencies for which a decision was recorded, by event."""
    rows = [
        {
            "event_id": one.event.event_id,
            "type": one.event.type,
            "person_id": one.person_id,
            "report_id": one.event.report_id,
            "addressee": one.event.addressee,
            "classes": in_order(one.event.classes),
            "value": one.value,
            "traceparent": one.event.traceparent,
            "told": told.get(one.event.event_id, ()),
        }
        for one in arrivals
    ]
    await copy_in(db, events, rows)


async def add_referrals(db: AsyncConnection, rows: Rows) -> None:
    """Keep referrals and whether they are still open; one that was closed stays so."""
    if rows:
        statement = insert(referrals)
        given = statement.excluded
        named = sa.case((sa.func.cardinality(given.classes) > 0, given.classes), else_=referrals.c.classes)
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=["referral_id"],
                set_={"open": sa.and_(referrals.c.open, given.open), "classes": named},
            ),
            [dict(row) for row in rows],
        )


async def reports_under(db: AsyncConnection, subjects: Collection[UUID]) -> set[UUID]:
    """Reports that are, or were made by, one of ``subjects``."""
    if not subjects:
        return set()
    either = sa.or_(any_of(reports.c.report_id, subjects), any_of(reports.c.reporter_id, subjects))
    return set((await db.execute(sa.select(reports.c.report_id).where(either))).scalars())


async def persons_under(db: AsyncConnection, subjects: Collection[UUID]) -> set[UUID]:
    """Those of ``subjects`` that are persons known here, and the persons of whom something was said that
    speaks of one of them: a report has moved on since, and its link is still told of them."""
    if not subjects:
        return set()
    themselves = sa.select(persons.c.person_id).where(any_of(persons.c.person_id, subjects))
    told_of = sa.select(events.c.person_id).where(any_of(events.c.report_id, subjects))
    found = await db.execute(sa.union(themselves, told_of.where(events.c.person_id.is_not(None))))
    return set(found.scalars())


async def erase(db: AsyncConnection, subjects: Mapping[UUID, datetime]) -> None:
    """Their keys are destroyed, for ever."""
    rows = [{"subject": subject, "erased_at": subjects[subject]} for subject in sorted(subjects)]
    await insert_new(db, erased, rows)
