"""Migrations run once, whoever starts them, and the code knows which it needs."""

import asyncio

import sqlalchemy as sa

from homeward.common.db import create_engine
from homeward.common.migrate import head_of, revision_of, upgrade
from homeward.common.tables import metadata

from . import noting  # noqa: F401 – where the tiny service is


async def test_a_database_is_brought_to_the_newest_revision_by_several_at_once(database: str) -> None:
    engine = create_engine(database)
    async with engine.connect() as db:
        assert await revision_of(db) is None
    await asyncio.gather(*(upgrade("tiny", database) for _ in range(4)))
    async with engine.connect() as db:
        assert await revision_of(db) == head_of("tiny") == "0001"
        tables = set((await db.execute(sa.text("SELECT tablename FROM pg_tables"))).scalars())
    assert {*metadata.tables, "notes"} <= tables
    await engine.dispose()
