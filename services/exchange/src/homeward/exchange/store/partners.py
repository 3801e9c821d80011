"""The registry of partners, and what has to be decided again for them in the background."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain import Partner
from .tables import clients, partners, persons, progress, sweeps


def partner_of(row: sa.Row[Any]) -> Partner:
    """What policies know of the partner in a row."""
    return Partner(
        agency=row.agency,
        kind=row.kind,
        country=row.country,
        data_home=row.data_home,
        purposes=tuple(row.purposes),
        clearance=tuple(row.clearance),
        accredited=row.accredited,
        suspended=row.suspended,
        revision=row.revision,
        sandbox=row.sandbox,
        leaving=row.leaving_since is not None,
    )


_REGISTRY = "hashtextextended('exchange registry', 0)"


async def keep_as_it_is(db: AsyncConnection) -> None:
    """Until this transaction ends nobody is registered or resumed, and no other policies are activated:
    who decides without them has committed by then, and the sweep for them finds what that left."""
    await db.execute(sa.text(f"SELECT pg_advisory_xact_lock_shared({_REGISTRY})"))


async def change(db: AsyncConnection) -> None:
    """Wait for whoever decides at the moment; who comes later sees the change."""
    await db.execute(sa.text(f"SELECT pg_advisory_xact_lock({_REGISTRY})"))


_DPOP = sa.func.coalesce(
    sa.select(clients.c.dpop).where(clients.c.client_id == partners.c.agency).scalar_subquery(), "required"
).label("dpop")


async def partner(db: AsyncConnection, agency: str) -> sa.Row[Any] | None:
    """One partner."""
    return (await db.execute(sa.select(partners, _DPOP).where(partners.c.agency == agency))).first()


async def all_partners(db: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """All partners, by id."""
    return (await db.execute(sa.select(partners, _DPOP).order_by(partners.c.agency))).all()


async def add_partner(db: AsyncConnection, row: Mapping[str, Any]) -> bool:
    """Register; False if the id is taken."""
    added = await db.execute(
        insert(partners).values(row).on_conflict_do_nothing().returning(partners.c.agency)
    )
    return added.first() is not None


async def put_partner(db: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Have a partner be registered as in ``row``, whatever was known of it; its feed goes on."""
    statement = insert(partners).values(dict(row))
    changed = {name: row[name] for name in row if name not in {"agency", "registered_at"}}
    await db.execute(statement.on_conflict_do_update(index_elements=["agency"], set_=changed))


async def set_suspended(db: AsyncConnection, agency: str, suspended: bool) -> sa.Row[Any] | None:
    """Suspend or resume; None if that changes nothing or there is no such partner."""
    changed = await db.execute(
        sa.update(partners)
        .where(partners.c.agency == agency, partners.c.suspended != suspended)
        .values(suspended=suspended, revision=partners.c.revision + 1)
        .returning(partners)
    )
    row: sa.Row[Any] | None = changed.first()
    return row


Stage = Literal["sandbox", "live", "leaving", "left"]


def stage_of(row: sa.Row[Any]) -> Stage:
    """In which part of its life a partner is."""
    if row.left_at is not None:
        return "left"
    if row.leaving_since is not None:
        return "leaving"
    return "sandbox" if row.sandbox else "live"


def decided_for(rows: Sequence[sa.Row[Any]]) -> list[Partner]:
    """Those among them for whom anything is decided: nothing for who has left, and for who is suspended only
    that all is taken back."""
    return [
        partner_of(row)
        for row in rows
        if row.left_at is None and (not row.suspended or row.leaving_since is not None)
    ]


async def change_stage(db: AsyncConnection, agency: str, **values: Any) -> int:
    """Have a partner be in another part of its life; its revision."""
    changed = await db.execute(
        sa.update(partners)
        .where(partners.c.agency == agency)
        .values(values | {"revision": partners.c.revision + 1})
        .returning(partners.c.revision)
    )
    revision: int = changed.scalar_one()
    return revision


async def note_farewell(db: AsyncConnection, agency: str, event_id: UUID) -> None:
    """Which event says that a partner has left."""
    await db.execute(sa.update(partners).where(partners.c.agency == agency).values(left_event=event_id))


async def revise_all(db: AsyncConnection) -> None:
    """Mark that what partners may see rests on something else. Pages that were marked as read are waited
    for, and no page that was begun before can be."""
    await db.execute(sa.update(partners).values(revision=partners.c.revision + 1))


async def start_sweep(db: AsyncConnection, reason: str, now: datetime) -> None:
    """Have everything decided again in the background."""
    await db.execute(sa.insert(sweeps).values(reason=reason, started_at=now))


async def next_sweep(db: AsyncConnection) -> sa.Row[Any] | None:
    """The oldest sweep under way, locked; None if there is none or another process has it."""
    query = sa.select(sweeps).where(~sweeps.c.done).order_by(sweeps.c.sweep_id).limit(1)
    return (await db.execute(query.with_for_update(skip_locked=True))).first()


async def advance_sweep(
    db: AsyncConnection, sweep_id: int, next_person: Any, decided: int, *, done: bool
) -> None:
    """How far a sweep has got: ``decided`` persons more."""
    reached = {"next_person": next_person, "decided": sweeps.c.decided + decided, "done": done}
    await db.execute(sa.update(sweeps).where(sweeps.c.sweep_id == sweep_id).values(reached))


async def number_of_persons(db: AsyncConnection) -> int:
    """How many persons there are."""
    return (await db.execute(sa.select(sa.func.count()).select_from(persons))).scalar_one()


async def sweeps_under_way(db: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """Those that are not done, the oldest first, beside the number of persons there are."""
    everybody = sa.select(sa.func.count()).select_from(persons).scalar_subquery().label("persons")
    columns = (sweeps.c.reason, sweeps.c.started_at, sweeps.c.decided, everybody)
    query: sa.Select[Any] = sa.select(*columns).order_by(sweeps.c.sweep_id)
    found: Sequence[sa.Row[Any]] = (await db.execute(query.where(~sweeps.c.done))).all()
    return found


async def note_caught_up(db: AsyncConnection, at: datetime) -> None:
    """Remember that; it never goes back."""
    statement = insert(progress).values(one=1, caught_up_at=at)
    newer = sa.func.greatest(progress.c.caught_up_at, statement.excluded.caught_up_at)
    await db.execute(statement.on_conflict_do_update(index_elements=["one"], set_={"caught_up_at": newer}))
