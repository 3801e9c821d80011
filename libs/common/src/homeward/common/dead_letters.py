"""Records that no handler could take, by reference: never with what they say.

An open letter stops its stream: later records of the stream wait behind it, parked, until an operator
retries the letter (after a fix) or decides to skip it. Other streams flow on.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from .envelope import Envelope, Malformed, Received
from .ids import new_id
from .tables import dead_letters, inbox

POISON = "poison"
"""Could not be handled; waits for an operator."""
RETRY = "retry"
"""An operator asked for another try."""
PARKED = "parked"
"""Waits behind an earlier letter of its stream."""
DONE = "done"
SKIPPED = "skipped"
_OPEN = dead_letters.c.state.in_([POISON, RETRY, PARKED])

Letter = sa.Row[Any]


def stream_of(record: Received) -> str:
    """The stream a record belongs to; readable even when its attributes are not."""
    return record.key.decode(errors="replace")


async def stopped_streams(db: AsyncConnection, consumer: str) -> set[tuple[str, str]]:
    """The (topic, stream) that have an open letter."""
    rows = await db.execute(
        sa.select(dead_letters.c.topic, dead_letters.c.stream)
        .where(dead_letters.c.consumer == consumer, _OPEN)
        .distinct()
    )
    return {(row.topic, row.stream) for row in rows}


async def set_aside(
    db: AsyncConnection, consumer: str, record: Received, state: str, error: str | None, now: datetime
) -> bool:
    """Keep a reference to ``record``; False if there is one already (it came again after a crash)."""
    try:
        event_id: UUID | None = Envelope.of(record).id
    except Malformed:
        event_id = None
    added = await db.execute(
        insert(dead_letters)
        .values(
            id=new_id(), consumer=consumer, topic=record.topic, partition=record.partition,
            offset=record.offset, stream=stream_of(record), event_id=event_id, state=state, error=error,
            at=now,
        )
        .on_conflict_do_nothing()
        .returning(dead_letters.c.id)
    )  # fmt: skip
    return added.first() is not None


async def next_due(db: AsyncConnection, consumer: str) -> Letter | None:
    """The first open letter of some stream, if it may be tried now; locked until the transaction ends."""
    heads = (
        sa.select(dead_letters)
        .where(dead_letters.c.consumer == consumer, _OPEN)
        .ext(distinct_on(dead_letters.c.topic, dead_letters.c.stream))
        .order_by(dead_letters.c.topic, dead_letters.c.stream, dead_letters.c.offset)
        .subquery()
    )
    due = sa.select(heads.c.id).where(heads.c.state.in_([RETRY, PARKED]))
    rows = await db.execute(
        sa.select(dead_letters)
        .where(dead_letters.c.id.in_(due), _OPEN)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return rows.first()


async def mark(db: AsyncConnection, letter_id: UUID, state: str, error: str | None = None) -> None:
    """Move a letter to ``state``."""
    await db.execute(
        sa.update(dead_letters).where(dead_letters.c.id == letter_id).values(state=state, error=error)
    )


async def open_letters(db: AsyncConnection, limit: int = 1_000) -> Sequence[Letter]:
    """Open letters, oldest first."""
    rows = await db.execute(sa.select(dead_letters).where(_OPEN).order_by(dead_letters.c.at).limit(limit))
    return rows.all()


async def ask_retry(db: AsyncConnection, letter_id: UUID) -> Letter | None:
    """Have a poison letter tried again; None if there is no such letter waiting."""
    return await _decide(db, letter_id, RETRY)


async def skip(db: AsyncConnection, letter_id: UUID) -> Letter | None:
    """Never handle this record; None if there is no such letter waiting. The caller audits it."""
    letter = await _decide(db, letter_id, SKIPPED)
    if letter is not None and letter.event_id is not None:
        row = {"consumer": letter.consumer, "event_id": letter.event_id}
        await db.execute(insert(inbox).values(row).on_conflict_do_nothing())
    return letter


async def _decide(db: AsyncConnection, letter_id: UUID, state: str) -> Letter | None:
    decided = await db.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.id == letter_id, dead_letters.c.state == POISON)
        .values(state=state)
        .returning(dead_letters)
    )
    letter: Letter | None = decided.first()
    return letter
