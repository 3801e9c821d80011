"""Persons, their reports and events, as far as visibility depends on them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain import Arrival, CaseEvent, CaseFile, Consent, ReportFacts, field_classes
from .tables import consents, erased, events, persons, referrals, reports, restrictions

_EVENT = [c for c in events.c if c.name != "value"]


def any_of(column: sa.ColumnElement[Any], ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    """``column = ANY(ids)``: one statement, whatever the number."""
    return column == sa.any_(sa.literal(list(ids), sa.ARRAY(Uuid)))


async def lock(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Take the persons' rows, in one order: nobody else decides about them, nor serves them."""
    await db.execute(_in_order(person_ids).with_for_update())


async def revise(db: AsyncConnection, person_ids: Collection[UUID]) -> None:
    """Mark that the facts of these persons, whose rows are taken, changed."""
    if person_ids:
        await db.execute(
            sa.update(persons)
            .where(any_of(persons.c.person_id, person_ids))
            .values(revision=persons.c.revision + 1)
        )


def _in_order(person_ids: Collection[UUID]) -> "sa.Select[tuple[UUID, int]]":
    query = sa.select(persons.c.person_id, persons.c.revision)
    return query.where(any_of(persons.c.person_id, person_ids)).order_by(persons.c.person_id)


async def make_synthetic(db: AsyncConnection, person_id: UUID) -> None:
    """Mark a person as made up."""
    await db.execute(sa.update(persons).where(persons.c.person_id == person_id).values(synthetic=True))


async def synthetic_person(db: AsyncConnection, agency: str) -> UUID | None:
    """The oldest of the made-up people of whom an agency may still see something by a consent."""
    query = (
        sa.select(consents.c.person_id)
        .select_from(consents.join(persons, persons.c.person_id == consents.c.person_id))
        .where(persons.c.synthetic, consents.c.recipient == agency, consents.c.withdrawn_at.is_(None))
        .order_by(consents.c.obtained_at, consents.c.person_id)
    )
    person_id: UUID | None = (await db.execute(query.limit(1))).scalar()
    return person_id


async def persons_after(db: AsyncConnection, after: UUID | None, limit: int) -> list[UUID]:
    """The next ``limit`` persons in id order."""
    query = sa.select(persons.c.person_id).order_by(persons.c.person_id).limit(limit)
    if after is not None:
        query = query.where(persons.c.person_id > after)
    return list((await db.execute(query)).scalars())


async def case_files(db: AsyncConnection, person_ids: Collection[UUID]) -> list[CaseFile]:
    """All that the visibility of these persons depends on; one query a kind of fact."""
    reports_of: dict[UUID, list[ReportFacts]] = defaultdict(list)
    for row in await db.execute(sa.select(reports).where(any_of(reports.c.person_id, person_ids))):
        facts = ReportFacts(tuple(row.citizenships or ()), row.country, bool(row.child))
        reports_of[row.person_id].append(facts)
    consents_of = await _consents_in_force(db, person_ids)
    restricted: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for row in await db.execute(sa.select(restrictions).where(any_of(restrictions.c.person_id, person_ids))):
        restricted[row.person_id].add((row.recipient, row.kind))
    referred: dict[UUID, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    disclosing = sa.select(referrals).where(any_of(referrals.c.person_id, person_ids), referrals.c.open)
    for row in await db.execute(disclosing):
        referred[row.person_id].append((row.agency, field_classes(row.classes)))
    found = await db.execute(
        sa.select(persons, erased.c.subject.is_not(None).label("erased"))
        .select_from(persons.outerjoin(erased, erased.c.subject == persons.c.person_id))
        .where(any_of(persons.c.person_id, person_ids))
        .order_by(persons.c.person_id)
    )
    return [
        CaseFile(
            person_id=row.person_id,
            revision=row.revision,
            erased=row.erased,
            reports=reports_of[row.person_id],
            consents=consents_of[row.person_id],
            restrictions=restricted[row.person_id],
            referrals=referred[row.person_id],
            synthetic=row.synthetic,
        )
        for row in found
    ]


_CONSENT = [consents.c[name] for name in Consent._fields]


async def _consents_in_force(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, list[Consent]]:
    theirs = sa.select(consents.c.person_id.label("whose"), *_CONSENT).where(
        any_of(consents.c.person_id, person_ids)
    )
    with_reports = sa.select(reports.c.person_id.label("whose"), *_CONSENT).where(
        consents.c.report_id == reports.c.report_id, any_of(reports.c.person_id, person_ids)
    )
    # Two indexes, one statement: a condition with OR over both tables would read all consents there are.
    in_force = (query.where(consents.c.withdrawn_at.is_(None)) for query in (theirs, with_reports))
    found = await db.execute(sa.union_all(*in_force))
    by_person: dict[UUID, list[Consent]] = defaultdict(list)
    for whose, recipient, purpose, classes, *rest in found:
        by_person[whose].append(Consent(recipient, purpose, field_classes(classes), *rest))
    return by_person


async def events_of(
    db: AsyncConnection, person_ids: Collection[UUID], arrivals: Sequence[Arrival] = ()
) -> Mapping[UUID, list[CaseEvent]]:
    """By person: events in the order they came, those that are not kept yet included."""
    by_person: dict[UUID, list[CaseEvent]] = defaultdict(list)
    query = _case_events().where(any_of(events.c.person_id, person_ids))
    for row in await db.execute(query.order_by(events.c.position)):
        by_person[row.person_id].append(_case_event(row))
    gone = await _erased_among(db, {i for one in arrivals for i in (one.event.report_id, one.reporter_id)})
    for one in arrivals:
        if one.person_id is not None:
            left = one.event.without(report=one.event.report_id in gone, reporter=one.reporter_id in gone)
            by_person[one.person_id].append(left)
    return by_person


async def _erased_among(db: AsyncConnection, subjects: Collection[UUID | None]) -> set[UUID | None]:
    ids = [subject for subject in subjects if subject is not None]
    if not ids:
        return set()
    return set((await db.execute(sa.select(erased.c.subject).where(any_of(erased.c.subject, ids)))).scalars())


async def event(db: AsyncConnection, event_id: UUID) -> tuple[CaseEvent, UUID | None] | None:
    """One event, and the person it is about if that is known."""
    row = (await db.execute(_case_events().where(events.c.event_id == event_id))).first()
    return None if row is None else (_case_event(row), row.person_id)


def _case_events() -> "sa.Select[Any]":
    report, reporter = erased.alias(), erased.alias()
    return sa.select(
        *_EVENT,
        report.c.subject.is_not(None).label("report_erased"),
        reporter.c.subject.is_not(None).label("reporter_erased"),
    ).select_from(
        events.outerjoin(reports, reports.c.report_id == events.c.report_id)
        .outerjoin(report, report.c.subject == events.c.report_id)
        .outerjoin(reporter, reporter.c.subject == reports.c.reporter_id)
    )


def _case_event(row: sa.Row[Any]) -> CaseEvent:
    event = CaseEvent(
        event_id=row.event_id,
        type=row.type,
        report_id=row.report_id,
        addressee=row.addressee,
        classes=field_classes(row.classes),
        told=frozenset(row.told),
        traceparent=row.traceparent,
    )
    return event.without(report=row.report_erased, reporter=row.reporter_erased)


_TELL = sa.text("""
    UPDATE events SET told = ARRAY(SELECT DISTINCT unnest(told || CAST(:agencies AS text[])) ORDER BY 1)
    WHERE event_id = ANY(CAST(:events AS uuid[]))
""")


async def mark_told(db: AsyncConnection, told: Mapping[UUID, Sequence[str]]) -> None:
    """By event, the agencies for which a decision about it is recorded now."""
    alike: dict[tuple[str, ...], list[UUID]] = defaultdict(list)
    for event_id, agencies in told.items():
        alike[tuple(agencies)].append(event_id)
    for agencies, event_ids in alike.items():
        await db.execute(_TELL, {"events": event_ids, "agencies": agencies})


async def state_of(db: AsyncConnection, person_id: UUID) -> str | None:
    """``known`` or ``erased``; None if exchange has never heard of the person."""
    found = await db.execute(
        sa.select(erased.c.subject)
        .select_from(persons.outerjoin(erased, erased.c.subject == persons.c.person_id))
        .where(persons.c.person_id == person_id)
    )
    row = found.first()
    return None if row is None else ("known" if row.subject is None else "erased")
