"""The feeds: what each agency gets, in its own dense order."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.db import copy_in

from ..domain import Basis, Live, field_classes
from ..policies import Question
from .cases import any_of
from .many import insert_new
from .tables import Texts, events, feed, partners, snapshots

RELEASE = "release"
RETRACTION = "retraction"
ERASURE = "erasure"
LIVE = "live"
SUPERSEDED = "superseded"
WITHDRAWN = "withdrawn"
_WHOSE = sa.func.coalesce(events.c.person_id, feed.c.person_id).label("whose")
"""Whom a row's event is about now; ``feed.person_id`` is whom the agency was told it is about."""


_HELD = ("agency", "event_id", "release_id", "seq", "generation", "classes", "state", "person_id", "snapshot")


async def newest_releases(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[tuple[UUID, str], Live]:
    """By (event, agency): the newest release of each event that is about these persons now, with those it
    superseded since the agency had nothing."""
    found = await db.execute(
        sa.select(*(feed.c[name] for name in (*_HELD, *Basis._fields)))
        .select_from(events.join(feed, feed.c.event_id == events.c.event_id))
        .where(any_of(events.c.person_id, person_ids), feed.c.kind == RELEASE)
        .order_by(feed.c.agency, feed.c.seq)
    )
    newest: dict[tuple[UUID, str], Live] = {}
    for row in found:
        older = newest.get((row.event_id, row.agency))
        newest[row.event_id, row.agency] = Live(
            release_id=row.release_id,
            seq=row.seq,
            generation=row.generation,
            classes=field_classes(row.classes),
            withdrawn=row.state == WITHDRAWN,
            person_id=row.person_id,
            snapshot=row.snapshot,
            basis=Basis(row.case_revision, row.partner_revision, row.policy_digest, row.valid_until),
            before=(*older.before, older) if older and not older.withdrawn else (),
        )
    return newest


async def recipients(db: AsyncConnection, person_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """(person, agency) of every release there ever was."""
    return await _rows_of_kind(db, person_ids, RELEASE)


async def told_of_erasure(db: AsyncConnection, person_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """(person, agency) that have an erasure in the feed already."""
    return await _rows_of_kind(db, person_ids, ERASURE)


async def _rows_of_kind(
    db: AsyncConnection, person_ids: Collection[UUID], kind: str
) -> set[tuple[UUID, str]]:
    query = sa.select(feed.c.person_id, feed.c.agency).distinct()
    found = await db.execute(query.where(any_of(feed.c.person_id, person_ids), feed.c.kind == kind))
    return {(row.person_id, row.agency) for row in found}


@dataclass
class Appended:
    """A row on its way into a feed; it gets its ``seq`` last of all."""

    row: dict[str, Any]

    @property
    def agency(self) -> str:
        """Whose feed."""
        agency: str = self.row["agency"]
        return agency


async def append(db: AsyncConnection, rows: Sequence[Appended]) -> None:
    """Give each row its agency's next ``seq`` and write it. The counters are taken in agency order,
    as late as possible: they are what all writers share."""
    wanted = Counter(row.agency for row in rows)
    next_seq: dict[str, int] = {}
    for agency in sorted(wanted):
        taken = await db.execute(
            sa.update(partners)
            .where(partners.c.agency == agency)
            .values(last_seq=partners.c.last_seq + wanted[agency])
            .returning(partners.c.last_seq)
        )
        next_seq[agency] = taken.scalar_one() - wanted[agency]
    for row in rows:
        next_seq[row.agency] += 1
        row.row["seq"] = next_seq[row.agency]
    await copy_in(db, feed, [row.row for row in rows])


async def supersede(db: AsyncConnection, places: Collection[tuple[str, int]]) -> None:
    """Leave a tombstone where a newer generation takes over; the row keeps what it once was."""
    if places:
        await db.execute(
            sa.update(feed)
            .where(feed.c.agency == sa.bindparam("whose"), feed.c.seq == sa.bindparam("place"))
            .values(state=SUPERSEDED),
            [{"whose": agency, "place": seq} for agency, seq in sorted(places)],
        )


_BASIS = ("classes", "withheld", "policies", "snapshot", "state")


async def restate(db: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give releases (``agency``, ``seq``) other classes, or other reasons for the same."""
    if rows:
        await db.execute(
            sa.update(feed)
            .where(feed.c.agency == sa.bindparam("whose"), feed.c.seq == sa.bindparam("place"))
            .values({name: sa.bindparam(f"new_{name}") for name in _BASIS}),
            [
                {"whose": row["agency"], "place": row["seq"], **{f"new_{name}": row[name] for name in _BASIS}}
                for row in rows
            ],
        )


_CONFIRM = sa.text("""
    UPDATE feed f SET case_revision = d.revision, partner_revision = d.partner_revision,
                      policy_digest = d.digest, valid_until = d.valid_until
    FROM unnest(CAST(:agencies AS text[]), CAST(:places AS bigint[]), CAST(:revisions AS int[]),
                CAST(:partner_revisions AS int[]), CAST(:digests AS text[]), CAST(:until AS timestamptz[]))
         AS d (agency, seq, revision, partner_revision, digest, valid_until)
    WHERE f.agency = d.agency AND f.seq = d.seq AND f.state = 'live'
""")


async def confirm(db: AsyncConnection, found: Sequence[tuple[str, int, Basis]]) -> None:
    """Note what releases (agency, seq) that stand were just decided by."""
    if found:
        agencies, places, bases = zip(*found, strict=True)
        revisions, partner_revisions, digests, until = zip(*bases, strict=True)
        await db.execute(
            _CONFIRM,
            {
                "agencies": agencies,
                "places": places,
                "revisions": revisions,
                "partner_revisions": partner_revisions,
                "digests": digests,
                "until": until,
            },
        )


async def add_snapshots(db: AsyncConnection, asked: Mapping[str, Question]) -> None:
    """Keep what was asked, once per digest."""
    if not asked:
        return
    there = sa.select(snapshots.c.digest).where(
        snapshots.c.digest == sa.any_(sa.literal(list(asked), Texts()))
    )
    new = asked.keys() - set((await db.execute(there)).scalars())
    rows = [{"digest": digest, "snapshot": asked[digest].snapshot()} for digest in sorted(new)]
    await insert_new(db, snapshots, rows)


async def expired(db: AsyncConnection, now: datetime, limit: int) -> list[UUID]:
    """Persons of whom a partner still has something that rested on a consent that ended."""
    found = await db.execute(
        sa.select(_WHOSE)
        .select_from(
            feed.outerjoin(events, events.c.event_id == feed.c.event_id).join(
                partners, partners.c.agency == feed.c.agency
            )
        )
        .where(feed.c.state == LIVE, feed.c.valid_until <= now, ~partners.c.suspended)
        .distinct()
        .limit(limit)
    )
    return list(found.scalars())


async def reached(db: AsyncConnection, agency: str) -> Any:
    """The end of a feed, and how far its partner has read and acknowledged it."""
    query = sa.select(partners.c.last_seq, partners.c.read_seq, partners.c.acked_seq)
    return (await db.execute(query.where(partners.c.agency == agency))).one()


async def acknowledge(db: AsyncConnection, agency: str, seq: int) -> None:
    """How far a partner says it has handled its feed; it never goes back."""
    await db.execute(
        sa.update(partners)
        .where(partners.c.agency == agency, partners.c.acked_seq < seq)
        .values(acked_seq=seq)
    )


@dataclass(frozen=True)
class Unacknowledged:
    """Retractions and erasures that a partner has not acknowledged."""

    number: int = 0
    overdue: int = 0
    oldest_at: datetime | None = None


async def unacknowledged(
    db: AsyncConnection, overdue_before: datetime, agency: str | None = None
) -> dict[str, Unacknowledged]:
    """By agency, where there are any; those from ``overdue_before`` are overdue. Of who has left there is
    nothing to wait for any more, unless it is asked about."""
    query: sa.Select[Any] = (
        sa.select(
            feed.c.agency,
            sa.func.count(),
            sa.func.count().filter(feed.c.at < overdue_before),
            sa.func.min(feed.c.at),
        )
        .select_from(partners.join(feed, feed.c.agency == partners.c.agency))
        .where(feed.c.kind != RELEASE, feed.c.seq > partners.c.acked_seq)
        .group_by(feed.c.agency)
    )
    whose = partners.c.left_at.is_(None) if agency is None else feed.c.agency == agency
    found = await db.execute(query.where(whose))
    return {row[0]: Unacknowledged(*row[1:]) for row in found}


async def farewell(db: AsyncConnection, agency: str) -> tuple[int, int, int]:
    """Releases that a partner ever had, those that still stand, and retractions and erasures."""
    query = sa.select(
        sa.func.count().filter(feed.c.kind == RELEASE),
        sa.func.count().filter(feed.c.state == LIVE),
        sa.func.count().filter(feed.c.kind != RELEASE),
    ).where(feed.c.agency == agency)
    releases, standing, retractions = (await db.execute(query)).one()
    return releases, standing, retractions


async def oldest_unread_at(db: AsyncConnection, agency: str) -> datetime | None:
    """Since when the first event that a partner has not read is in its feed."""
    query = sa.select(feed.c.at).select_from(partners.join(feed, feed.c.agency == partners.c.agency))
    unread = query.where(partners.c.agency == agency, feed.c.seq == partners.c.read_seq + 1)
    at: datetime | None = (await db.execute(unread)).scalar()
    return at


async def event_of_release(db: AsyncConnection, agency: str, release_id: UUID) -> UUID | None:
    """The event of which a release to this agency has this id."""
    query = sa.select(feed.c.event_id).where(feed.c.agency == agency, feed.c.release_id == release_id)
    event_id: UUID | None = (await db.execute(query.where(feed.c.kind == RELEASE))).scalar()
    return event_id


async def releases_of_event(db: AsyncConnection, event_id: UUID, agency: str) -> Sequence[sa.Row[Any]]:
    """All generations of an event's release to an agency."""
    found = await db.execute(
        sa.select(feed).where(feed.c.event_id == event_id, feed.c.agency == agency).order_by(feed.c.seq)
    )
    return found.all()
