"""Persons, their reports and events, as far as visibility depends on them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Uuid
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import FieldClass

from ..domain import CaseEvent, CaseFile, Consent, ReportFacts
from .tables import consents, events, persons, referrals, reports, restrictions

Rows = Sequence[Mapping[str, Any]]


def any_of(column: sa.Column[Any], ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    """``column = ANY(ids)``: one statement, whatever the number."""
    return column == sa.any_(sa.literal(list(ids), sa.ARRAY(Uuid)))


async def add_persons(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Make sure they are there."""
    if person_ids:
        rows = [{"person_id": person_id} for person_id in sorted(person_ids)]
        await db.execute(insert(persons).on_conflict_do_nothing(), rows)


async def add_reports(db: AsyncConnection, rows: Rows) -> None:
    """Keep facts of reports or their persons, whichever comes first."""
    if rows:
        statement = insert(reports)
        given = statement.excluded
        facts = ("person_id", "citizenships", "country", "child")
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=["report_id"],
                set_={name: sa.func.coalesce(given[name], reports.c[name]) for name in facts},
            ),
            [dict(row) for row in sorted(rows, key=lambda row: str(row["report_id"]))],
        )


async def add_events(db: AsyncConnection, rows: Rows) -> None:
    """Keep case events as they came."""
    if rows:
        await db.execute(sa.insert(events), [dict(row) for row in rows])


async def add_referrals(db: AsyncConnection, rows: Rows) -> None:
    """Keep referrals, or whether they are still open."""
    for row in rows:
        statement = insert(referrals).values(row)
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=["referral_id"], set_={"open": statement.excluded.open}
            )
        )


async def name_persons(db: AsyncConnection, report_ids: Collection[UUID]) -> set[UUID]:
    """Give the events of ``report_ids`` the persons their reports are about; those persons, before
    and after."""
    moved = await db.execute(
        sa.text(
            "UPDATE events e SET person_id = r.person_id FROM reports r, events old "
            "WHERE e.report_id = r.report_id AND old.position = e.position "
            "AND r.report_id = ANY(CAST(:ids AS uuid[])) AND e.person_id IS DISTINCT FROM r.person_id "
            "RETURNING old.person_id AS before, e.person_id AS after"
        ),
        {"ids": sorted(report_ids)},
    )
    return {person for row in moved for person in (row.before, row.after) if person is not None}


async def lock_and_revise(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Take the persons' rows, in one order, and mark that their facts changed."""
    ordered = sa.select(persons.c.person_id).where(any_of(persons.c.person_id, person_ids))
    await db.execute(ordered.order_by(persons.c.person_id).with_for_update())
    await db.execute(
        sa.update(persons)
        .where(any_of(persons.c.person_id, person_ids))
        .values(revision=persons.c.revision + 1)
    )


async def lock(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Take the persons' rows, in one order, without a change of facts."""
    ordered = sa.select(persons.c.person_id).where(any_of(persons.c.person_id, person_ids))
    await db.execute(ordered.order_by(persons.c.person_id).with_for_update())


async def erase(db: AsyncConnection, person_id: UUID, now: datetime) -> None:
    """Mark a person as erased, whether known yet or not."""
    statement = insert(persons).values(person_id=person_id, erased_at=now)
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id"], set_={"erased_at": sa.func.coalesce(persons.c.erased_at, now)}
        )
    )


async def persons_after(db: AsyncConnection, after: UUID | None, limit: int) -> list[UUID]:
    """The next ``limit`` persons in id order."""
    query = sa.select(persons.c.person_id).order_by(persons.c.person_id).limit(limit)
    if after is not None:
        query = query.where(persons.c.person_id > after)
    return list((await db.execute(query)).scalars())


async def case_files(db: AsyncConnection, person_ids: Collection[UUID]) -> list[CaseFile]:
    """All that the visibility of these persons depends on; one query a kind of fact."""
    reports_of: dict[UUID, list[sa.Row[Any]]] = defaultdict(list)
    for row in await db.execute(sa.select(reports).where(any_of(reports.c.person_id, person_ids))):
        reports_of[row.person_id].append(row)
    consents_of = await _consents_in_force(db, person_ids)
    restricted: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for row in await db.execute(sa.select(restrictions).where(any_of(restrictions.c.person_id, person_ids))):
        restricted[row.person_id].add((row.recipient, row.kind))
    referred: dict[UUID, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    disclosing = sa.select(referrals).where(any_of(referrals.c.person_id, person_ids), referrals.c.open)
    for row in await db.execute(disclosing):
        referred[row.person_id].append((row.agency, frozenset(row.classes)))
    found = await db.execute(sa.select(persons).where(any_of(persons.c.person_id, person_ids)))
    return [
        CaseFile(
            person_id=row.person_id,
            revision=row.revision,
            erased=row.erased_at is not None,
            reports=[
                ReportFacts(tuple(r.citizenships or ()), r.country, bool(r.child))
                for r in reports_of[row.person_id]
            ],
            consents=consents_of[row.person_id],
            restrictions=restricted[row.person_id],
            referrals=referred[row.person_id],
        )
        for row in found
    ]


async def _consents_in_force(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, list[Consent]]:
    whose = sa.func.coalesce(consents.c.person_id, reports.c.person_id).label("whose")
    found = await db.execute(
        sa.select(consents, whose)
        .select_from(consents.outerjoin(reports, reports.c.report_id == consents.c.report_id))
        .where(
            consents.c.withdrawn_at.is_(None),
            sa.or_(any_of(consents.c.person_id, person_ids), any_of(reports.c.person_id, person_ids)),
        )
    )
    by_person: dict[UUID, list[Consent]] = defaultdict(list)
    for row in found:
        by_person[row.whose].append(
            Consent(
                row.recipient,
                row.purpose,
                frozenset(row.classes),
                row.given_by,
                row.report_id,
                row.expires_at,
            )
        )
    return by_person


async def events_of(
    db: AsyncConnection, person_ids: Collection[UUID]
) -> dict[UUID, list[tuple[CaseEvent, bool, str | None]]]:
    """By person: events in the order they came, whether decided before, and their traceparent."""
    columns = [c for c in events.c if c.name != "value"]
    found = await db.execute(
        sa.select(*columns).where(any_of(events.c.person_id, person_ids)).order_by(events.c.position)
    )
    by_person: dict[UUID, list[tuple[CaseEvent, bool, str | None]]] = defaultdict(list)
    for row in found:
        classes = frozenset(FieldClass(name) for name in row.classes)
        event = CaseEvent(row.event_id, row.type, row.report_id, row.addressee, classes)
        by_person[row.person_id].append((event, row.decided, row.traceparent))
    return by_person


async def mark_decided(db: AsyncConnection, event_ids: Collection[UUID]) -> None:
    """These have been decided at least once."""
    await db.execute(sa.update(events).where(any_of(events.c.event_id, event_ids)).values(decided=True))


async def values_of(db: AsyncConnection, event_ids: Collection[UUID]) -> dict[UUID, tuple[str, bytes]]:
    """Type and sealed value of events."""
    found = await db.execute(
        sa.select(events.c.event_id, events.c.type, events.c.value).where(
            any_of(events.c.event_id, event_ids)
        )
    )
    return {row.event_id: (row.type, row.value) for row in found}


async def exists(db: AsyncConnection, person_id: UUID) -> bool:
    """Whether exchange knows the person."""
    found = await db.execute(sa.select(persons.c.revision).where(persons.c.person_id == person_id))
    return found.first() is not None


async def event(db: AsyncConnection, event_id: UUID) -> sa.Row[Any] | None:
    """One event's columns, without its value."""
    columns = [c for c in events.c if c.name != "value"]
    return (await db.execute(sa.select(*columns).where(events.c.event_id == event_id))).first()
