"""Consents, objections and holds: the register that every read consults."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from .many import insert_new
from .tables import consents, reports, restrictions


async def add_consents(db: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep new consents; one that is here already stays as it is."""
    await insert_new(db, consents, rows)


async def withdraw_unseen(db: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Withdraw a consent, by its columns, even if we are yet to hear (again) that it was given."""
    statement = insert(consents).values(dict(row))
    withdrawn = {"withdrawn_at": row["withdrawn_at"]}
    await db.execute(statement.on_conflict_do_update(index_elements=["consent_id"], set_=withdrawn))


def _of_person(person_id: UUID) -> sa.ColumnElement[bool]:
    own_reports = sa.select(reports.c.report_id).where(reports.c.person_id == person_id)
    # An array, so that both indexes serve: with IN (SELECT …) all consents would be read.
    of_reports = consents.c.report_id == sa.any_(sa.func.array(own_reports.scalar_subquery()))
    return sa.or_(consents.c.person_id == person_id, of_reports)


async def consents_of(db: AsyncConnection, person_id: UUID) -> Sequence[sa.Row[Any]]:
    """All consents ever given for a person or with a report about them."""
    found = await db.execute(
        sa.select(consents)
        .where(_of_person(person_id))
        .order_by(consents.c.obtained_at, consents.c.consent_id)
    )
    return found.all()


async def withdraw(
    db: AsyncConnection,
    person_id: UUID,
    now: datetime,
    *,
    consent_id: UUID | None = None,
    recipient: str | None = None,
    purpose: str | None = None,
) -> Sequence[sa.Row[Any]]:
    """Withdraw the consents of a person that match; those that were in force."""
    matching = [_of_person(person_id), consents.c.withdrawn_at.is_(None)]
    for column, value in (("consent_id", consent_id), ("recipient", recipient), ("purpose", purpose)):
        if value is not None:
            matching.append(consents.c[column] == value)
    withdrawn = await db.execute(
        sa.update(consents).where(*matching).values(withdrawn_at=now).returning(consents)
    )
    rows: Sequence[sa.Row[Any]] = withdrawn.all()
    return rows


async def restrict(db: AsyncConnection, person_id: UUID, recipient: str, kind: str, now: datetime) -> bool:
    """Put a hold or objection in force; False if it was already."""
    row = {"person_id": person_id, "recipient": recipient, "kind": kind, "placed_at": now}
    done = await db.execute(
        insert(restrictions).values(row).on_conflict_do_nothing().returning(restrictions.c.kind)
    )
    return done.first() is not None


async def unrestrict(db: AsyncConnection, person_id: UUID, recipient: str, kind: str) -> bool:
    """Lift a hold or objection; False if there was none."""
    done = await db.execute(
        sa.delete(restrictions)
        .where(
            restrictions.c.person_id == person_id,
            restrictions.c.recipient == recipient,
            restrictions.c.kind == kind,
        )
        .returning(restrictions.c.kind)
    )
    return done.first() is not None


async def carry_restrictions(
    db: AsyncConnection, moves: Collection[tuple[UUID, UUID]], now: datetime
) -> Sequence[sa.Row[Any]]:
    """Put what restricts the first of each two persons in force for the second as well; what is new."""
    if not moves:
        return []
    carried = await db.execute(
        sa.text(
            "INSERT INTO restrictions (person_id, recipient, kind, placed_at) "
            "SELECT DISTINCT moved.to_person, r.recipient, r.kind, CAST(:now AS timestamptz) "
            "FROM unnest(CAST(:before AS uuid[]), CAST(:after AS uuid[])) AS moved (from_person, to_person) "
            "JOIN restrictions r ON r.person_id = moved.from_person "
            "ON CONFLICT DO NOTHING RETURNING person_id, recipient, kind"
        ),
        {"now": now, "before": [before for before, _ in moves], "after": [after for _, after in moves]},
    )
    return carried.all()
