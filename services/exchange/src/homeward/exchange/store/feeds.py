"""The feeds: what each agency gets, in its own dense order."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.contracts import FieldClass

from ..domain import Live
from .cases import any_of
from .tables import feed, partners, persons, snapshots

RELEASE = "release"
RETRACTION = "retraction"
ERASURE = "erasure"
LIVE = "live"
SUPERSEDED = "superseded"
WITHDRAWN = "withdrawn"


async def newest_releases(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[tuple[UUID, str], Live]:
    """By (event, agency): the newest release."""
    found = await db.execute(
        sa.select(feed)
        .where(any_of(feed.c.person_id, person_ids), feed.c.kind == RELEASE)
        .order_by(feed.c.agency, feed.c.seq)
    )
    newest: dict[tuple[UUID, str], Live] = {}
    for row in found:
        classes = frozenset(FieldClass(name) for name in row.classes)
        newest[row.event_id, row.agency] = Live(
            row.release_id, row.seq, row.generation, classes, row.state == WITHDRAWN
        )
    return newest


async def recipients(db: AsyncConnection, person_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """(person, agency) of every release there ever was."""
    found = await db.execute(
        sa.select(feed.c.person_id, feed.c.agency)
        .where(any_of(feed.c.person_id, person_ids), feed.c.kind == RELEASE)
        .distinct()
    )
    return {(row.person_id, row.agency) for row in found}


async def told_of_erasure(db: AsyncConnection, person_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """(person, agency) that have an erasure in the feed already."""
    found = await db.execute(
        sa.select(feed.c.person_id, feed.c.agency).where(
            any_of(feed.c.person_id, person_ids), feed.c.kind == ERASURE
        )
    )
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
    if rows:
        await db.execute(sa.insert(feed), [row.row for row in rows])


async def narrow(db: AsyncConnection, agency: str, seq: int, lost: Collection[str], state: str) -> None:
    """Take classes from a release, or leave a tombstone."""
    remaining = sa.text("ARRAY(SELECT unnest(classes) EXCEPT SELECT unnest(CAST(:lost AS text[])))")
    await db.execute(
        sa.update(feed)
        .where(feed.c.agency == agency, feed.c.seq == seq)
        .values(classes=remaining.bindparams(lost=sorted(lost)), state=state)
    )


async def stamp(
    db: AsyncConnection,
    person_revisions: Mapping[UUID, int],
    valid_until: Mapping[tuple[UUID, str], datetime | None],
    partner_revisions: Mapping[str, int],
    policy_digest: str,
) -> None:
    """Confirm live releases of these persons under the revisions they were just decided by."""
    keys = [(p, a) for p in sorted(person_revisions) for a in sorted(partner_revisions)]
    await db.execute(
        sa.text(
            "UPDATE feed f SET case_revision = d.revision, partner_revision = d.partner_revision, "
            "policy_digest = :digest, valid_until = d.valid_until "
            "FROM unnest(CAST(:persons AS uuid[]), CAST(:agencies AS text[]), CAST(:revisions AS int[]), "
            "CAST(:partner_revisions AS int[]), CAST(:until AS timestamptz[])) "
            "AS d (person_id, agency, revision, partner_revision, valid_until) "
            "WHERE f.person_id = d.person_id AND f.agency = d.agency AND f.state = 'live'"
        ),
        {
            "digest": policy_digest,
            "persons": [person for person, _ in keys],
            "agencies": [agency for _, agency in keys],
            "revisions": [person_revisions[person] for person, _ in keys],
            "partner_revisions": [partner_revisions[agency] for _, agency in keys],
            "until": [valid_until.get(key) for key in keys],
        },
    )


async def add_snapshots(db: AsyncConnection, found: Mapping[str, Any]) -> None:
    """Keep what was asked, once per digest."""
    if found:
        rows = [{"digest": digest, "snapshot": found[digest]} for digest in sorted(found)]
        await db.execute(insert(snapshots).on_conflict_do_nothing(), rows)


async def page(db: AsyncConnection, agency: str, after: int, limit: int) -> Sequence[sa.Row[Any]]:
    """The next ``limit`` rows of a feed."""
    found = await db.execute(
        sa.select(feed).where(feed.c.agency == agency, feed.c.seq > after).order_by(feed.c.seq).limit(limit)
    )
    return found.all()


async def stale_persons(
    db: AsyncConnection, rows: Sequence[sa.Row[Any]], partner_revision: int, digest: str, now: datetime
) -> set[UUID]:
    """Persons among ``rows`` whose live releases no longer rest on what is known now."""
    revisions = await _revisions(db, {row.person_id for row in rows})
    return {
        row.person_id
        for row in rows
        if row.state == LIVE
        and (
            row.case_revision != revisions.get(row.person_id)
            or row.partner_revision != partner_revision
            or row.policy_digest != digest
            or (row.valid_until is not None and row.valid_until <= now)
        )
    }


async def _revisions(db: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, int]:
    found = await db.execute(
        sa.select(persons.c.person_id, persons.c.revision).where(any_of(persons.c.person_id, person_ids))
    )
    return {row.person_id: row.revision for row in found}


async def last_seq(db: AsyncConnection, agency: str) -> int:
    """The end of a feed."""
    query = sa.select(partners.c.last_seq).where(partners.c.agency == agency)
    return int((await db.execute(query)).scalar_one())


async def mark_read(db: AsyncConnection, agency: str, seq: int) -> None:
    """How far a partner has been given its feed."""
    await db.execute(
        sa.update(partners).where(partners.c.agency == agency, partners.c.read_seq < seq).values(read_seq=seq)
    )


async def acknowledge(db: AsyncConnection, agency: str, seq: int) -> None:
    """How far a partner says it has handled its feed; it never goes back."""
    await db.execute(
        sa.update(partners)
        .where(partners.c.agency == agency, partners.c.acked_seq < seq)
        .values(acked_seq=seq)
    )


async def releases_of_event(db: AsyncConnection, event_id: UUID, agency: str) -> Sequence[sa.Row[Any]]:
    """All generations of an event's release to an agency."""
    found = await db.execute(
        sa.select(feed).where(feed.c.event_id == event_id, feed.c.agency == agency).order_by(feed.c.seq)
    )
    return found.all()
