"""Reading a stretch of a feed: held still, then looked at, then marked as read.

Two statements, since each sees what was committed when it began: by the first one waits for whoever is
changing what the stretch rests on, by the second one sees what came of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.db import driver

from ..domain import Partner


@dataclass(frozen=True)
class Stretch:
    """The next events of a feed behind ``after``, at most ``limit``, held for somebody who reads them."""

    after: int
    limit: int
    last: int
    """The last of them; ``after``, if there is none."""
    held: frozenset[UUID]
    """The persons that those with content are said to be about."""
    partner: Any
    """Its row in the registry."""
    caught_up_at: datetime | None
    """All that others had published by then is taken into account; None if nobody has begun to watch."""
    epoch: int
    """Which feed it is, since after a restore it is another one, of which no cursor of before is a place."""
    policy_digest: str | None
    """The policies that decide; None if none were activated yet."""


_ROWS = """
        SELECT seq, state, person_id FROM feed
        WHERE agency = :agency AND seq > CAST(:after AS bigint) ORDER BY seq LIMIT :limit
"""
_PERSONS = """
        SELECT f.seq, f.state, f.person_id FROM feed f
        WHERE f.agency = :agency AND f.seq > CAST(:after AS bigint) AND f.state = 'live' AND NOT EXISTS (
            SELECT FROM feed e
            WHERE e.person_id = f.person_id AND e.agency = f.agency AND e.state = 'live' AND e.seq < f.seq
        )
        ORDER BY f.seq LIMIT :limit
"""
_HOLD = """
    WITH stretch AS (
        {stretch}
    ), held AS (
        SELECT person_id FROM persons
        WHERE person_id = ANY(ARRAY(SELECT person_id FROM stretch WHERE state = 'live'))
        ORDER BY person_id FOR SHARE
    )
    SELECT (SELECT caught_up_at FROM progress) AS caught_up_at,
           coalesce((SELECT epoch FROM relay_state), 1) AS epoch,
           (SELECT digest FROM policy_sets ORDER BY position DESC LIMIT 1) AS policy_digest,
           coalesce((SELECT max(seq) FROM stretch), CAST(:after AS bigint)) AS last,
           ARRAY(SELECT person_id FROM held) AS held, p.*
    FROM partners p WHERE p.agency = :agency
"""
_HOLD_ROWS = sa.text(_HOLD.format(stretch=_ROWS))
_HOLD_PERSONS = sa.text(_HOLD.format(stretch=_PERSONS))


async def hold(db: AsyncConnection, agency: str, after: int, limit: int) -> Stretch | None:
    """The facts about the persons that these events are about do not change until this transaction ends.
    None if there is no such partner."""
    return await _hold(_HOLD_ROWS, db, agency, after, limit)


async def hold_persons(db: AsyncConnection, agency: str, after: int, limit: int) -> Stretch | None:
    """The same for the next ``limit`` persons of whom the partner has something: where the first of that
    stands in its feed, there the person stands. What came since may be behind ``last``."""
    return await _hold(_HOLD_PERSONS, db, agency, after, limit)


async def _hold(
    query: sa.TextClause, db: AsyncConnection, agency: str, after: int, limit: int
) -> Stretch | None:
    row = (await db.execute(query, {"agency": agency, "after": after, "limit": limit})).first()
    if row is None:
        return None
    held = frozenset(row.held)
    return Stretch(after, limit, row.last, held, row, row.caught_up_at, row.epoch, row.policy_digest)


_BEFORE = sa.text("""
    SELECT coalesce((SELECT epoch FROM relay_state), 1), coalesce(
        (SELECT min(seq) - 1 FROM feed WHERE agency = :agency AND at >= :at),
        (SELECT last_seq FROM partners WHERE agency = :agency), 0)
""")


async def place_before(db: AsyncConnection, agency: str, at: datetime) -> tuple[int, int]:
    """Which feed it is, and the place behind which every event of ``at`` or later is; its end, if there is
    none. Times are not quite in the order of a feed, so earlier ones may be among them."""
    epoch, seq = (await db.execute(_BEFORE, {"agency": agency, "at": at})).one()
    return epoch, seq


_END = sa.text("""
    SELECT coalesce((SELECT epoch FROM relay_state), 1),
           coalesce((SELECT last_seq FROM partners WHERE agency = :agency), 0)
""")


async def end(db: AsyncConnection, agency: str) -> tuple[int, int]:
    """Which feed it is, and its last place."""
    epoch, seq = (await db.execute(_END, {"agency": agency})).one()
    return epoch, seq


class Shown(NamedTuple):
    """A row of a feed, as it is to be shown."""

    rests: bool | None
    """Whether what it shows was decided on what is known now."""
    whose: UUID
    """Whom its event is about now."""
    seq: int
    kind: str
    state: str
    release_id: UUID
    person_id: UUID
    at: datetime
    generation: int
    supersedes: UUID | None
    classes: list[str]
    withheld: list[str]
    retracted_seq: int | None
    whole: bool | None
    event_id: UUID | None
    event_type: str
    value: bytes
    """The sealed event, if the row shows it."""


_SHOWN = """
    SELECT f.state <> 'live' OR (
               f.person_id = coalesce(e.person_id, f.person_id) AND f.case_revision = p.revision
               AND f.partner_revision = $2 AND f.policy_digest = $3
               AND (f.valid_until IS NULL OR f.valid_until > $4)
           ) AS rests,
           coalesce(e.person_id, f.person_id) AS whose, f.seq, f.kind, f.state, f.release_id, f.person_id,
           f.at, f.generation, f.supersedes, f.classes, f.withheld, f.retracted_seq, f.whole, f.event_id,
           e.type AS event_type, CASE WHEN f.state = 'live' THEN e.value END AS value
    FROM feed f
    LEFT JOIN events e ON e.event_id = f.event_id
    LEFT JOIN persons p ON p.person_id = f.person_id
    WHERE f.agency = $1 AND {which} ORDER BY f.seq
"""
_PAGE = _SHOWN.format(which="f.seq > $5 AND f.seq <= $6")
_OF_PERSONS = _SHOWN.format(which="f.person_id = ANY($5) AND f.state = 'live'")


async def page(
    db: AsyncConnection, partner: Partner, stretch: Stretch, policy_digest: str, now: datetime
) -> list[Shown]:
    """The rows of a stretch of the partner's feed."""
    found = await (await driver(db)).fetch(
        _PAGE, partner.agency, partner.revision, policy_digest, now, stretch.after, stretch.last
    )
    return [Shown(*row) for row in found]


async def of_persons(
    db: AsyncConnection, partner: Partner, stretch: Stretch, policy_digest: str, now: datetime
) -> list[Shown]:
    """All that the partner has of the persons of a stretch, in the order of its feed."""
    found = await (await driver(db)).fetch(
        _OF_PERSONS, partner.agency, partner.revision, policy_digest, now, list(stretch.held)
    )
    return [Shown(*row) for row in found]


_MARK = """
    UPDATE partners SET read_seq = greatest(read_seq, $3)
    WHERE agency = $1 AND revision = $2 AND NOT suspended RETURNING last_seq
"""


_STAYS = """
    SELECT last_seq FROM partners WHERE agency = $1 AND revision = $2 AND NOT suspended FOR SHARE
"""


async def mark_read(db: AsyncConnection, partner: Partner, stretch: Stretch, seq: int) -> int | None:
    """How far a partner has been given its feed; the feed's end, or None if the partner was suspended or
    changed meanwhile. Of those who read what was read before none waits for another."""
    connection = await driver(db)
    end: int | None
    if seq <= stretch.partner.read_seq:
        end = await connection.fetchval(_STAYS, partner.agency, partner.revision)
    else:
        end = await connection.fetchval(_MARK, partner.agency, partner.revision, seq)
    return end


class Standing(NamedTuple):
    """How a feed stands, and whether who waits for it may still read it."""

    epoch: int
    last_seq: int
    suspended: bool
    revoked: bool


Whose = tuple[str, str, str | None]
"""An agency, a client of it, and the key by which that got its token."""
_STANDINGS = sa.text("""
    SELECT w.*, coalesce((SELECT epoch FROM relay_state), 1), p.last_seq, p.suspended,
           EXISTS (SELECT FROM client_keys k
                   WHERE k.client_id = w.client_id AND k.kid = w.kid AND k.revoked_at IS NOT NULL)
    FROM unnest(CAST(:agencies AS text[]), CAST(:client_ids AS text[]), CAST(:kids AS text[]))
         AS w (agency, client_id, kid)
    JOIN partners p USING (agency)
""")


async def standings(db: AsyncConnection, asked: Collection[Whose]) -> dict[Whose, Standing]:
    """How feeds stand, of those that there are."""
    agencies, client_ids, kids = (list(column) for column in zip(*asked, strict=True))
    found = await db.execute(_STANDINGS, {"agencies": agencies, "client_ids": client_ids, "kids": kids})
    return {(row[0], row[1], row[2]): Standing(*row[3:]) for row in found}
