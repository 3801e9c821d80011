"""Consents, objections and holds: the register that every read consults."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import consents, reports, restrictions


async def add_consents(db: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep new consents."""
    if rows:
        await db.execute(sa.insert(consents), [dict(row) for row in rows])


def _of_person(person_id: UUID) -> sa.ColumnElement[bool]:
    own_reports = sa.select(reports.c.report_id).where(reports.c.person_id == person_id)
    return sa.or_(consents.c.person_id == person_id, consents.c.report_id.in_(own_reports))


async def consents_of(db: AsyncConnection, person_id: UUID) -> Sequence[sa.Row[Any]]:
    """All consents ever given for a person or with a report about them."""
    found = await db.execute(sa.select(consents).where(_of_person(person_id)).order_by(consents.c.consent_id))
    return found.all()


async def person_of_consent(db: AsyncConnection, consent_id: UUID) -> UUID | None:
    """Whose consent it is; None if there is no such consent, or its report has no person yet."""
    found = await db.execute(
        sa.select(sa.func.coalesce(consents.c.person_id, reports.c.person_id))
        .select_from(consents.outerjoin(reports, reports.c.report_id == consents.c.report_id))
        .where(consents.c.consent_id == consent_id)
    )
    person_id: UUID | None = found.scalar_one_or_none()
    return person_id


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
