"""Webhooks: whose turn it is, and how it went."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import webhooks


async def webhook(db: AsyncConnection, agency: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """The webhook of a partner; ``lock`` it, to change it."""
    query = sa.select(webhooks).where(webhooks.c.agency == agency)
    return (await db.execute(query.with_for_update() if lock else query)).first()


async def put(db: AsyncConnection, row: Mapping[str, Any], kept: Sequence[str]) -> None:
    """Have a partner's webhook be this, but for what is ``kept`` of one that is there."""
    statement = insert(webhooks).values(dict(row))
    changed = {name: row[name] for name in row if name not in {"agency", *kept}}
    changed["revision"] = webhooks.c.revision + 1
    await db.execute(statement.on_conflict_do_update(index_elements=["agency"], set_=changed))


async def remove(db: AsyncConnection, agency: str) -> bool:
    """Whether there was one."""
    gone = sa.delete(webhooks).where(webhooks.c.agency == agency).returning(webhooks.c.agency)
    return (await db.execute(gone)).first() is not None


async def change(db: AsyncConnection, agency: str, revision: int | None = None, **values: Any) -> bool:
    """Change it, if it is as it was at ``revision`` (where that is given); whether it was. Whoever sends at
    the moment loses it."""
    this = webhooks.c.agency == agency
    if revision is not None:
        this = sa.and_(this, webhooks.c.revision == revision)
    changed = sa.update(webhooks).where(this).values(values | {"revision": webhooks.c.revision + 1})
    return (await db.execute(changed.returning(webhooks.c.agency))).first() is not None


async def progress(db: AsyncConnection, agency: str, revision: int, seq: int, until: datetime) -> bool:
    """Note that all up to ``seq`` arrived; False if the webhook was changed, or taken on by somebody else."""
    moved = (
        sa.update(webhooks)
        .where(webhooks.c.agency == agency, webhooks.c.revision == revision)
        .values(seq=seq, failures=0, failing_since=None, last_problem=None, next_attempt_at=until)
    )
    return (await db.execute(moved.returning(webhooks.c.agency))).first() is not None


_TAKE = sa.text("""
    UPDATE webhooks SET next_attempt_at = :until, revision = revision + 1
    WHERE agency IN (
        SELECT w.agency FROM webhooks w JOIN partners p USING (agency)
        WHERE w.disabled IS NULL AND w.next_attempt_at <= :now AND NOT p.suspended AND p.left_at IS NULL
              AND (p.last_seq <> w.seq OR w.epoch <> coalesce((SELECT epoch FROM relay_state), 1))
        ORDER BY w.next_attempt_at LIMIT :most FOR UPDATE OF w SKIP LOCKED
    )
    RETURNING *
""")


async def take(db: AsyncConnection, now: datetime, until: datetime, most: int) -> Sequence[sa.Row[Any]]:
    """Webhooks that have something to be sent, which nobody else takes before ``until``."""
    return (await db.execute(_TAKE, {"now": now, "until": until, "most": most})).all()
