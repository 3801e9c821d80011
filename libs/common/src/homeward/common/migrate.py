"""Migrations: every service has its own alembic history, beside its code, in its own database."""

import asyncio
from functools import cache
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from .db import create_engine


def _config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(f"homeward.{service}") / "migrations"))
    return config


@cache
def head_of(service: str) -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(_config(service)).get_current_head()


async def revision_of(db: AsyncConnection) -> str | None:
    """The revision a database is at; None if it was never migrated."""
    there = await db.scalar(sa.text("SELECT to_regclass('alembic_version')"))
    found: str | None = await db.scalar(sa.text("SELECT version_num FROM alembic_version")) if there else None
    return found


async def upgrade(service: str, url: str) -> None:
    """Bring a service's database to the newest revision; one at a time, by lock."""
    engine = create_engine(url, pool_size=1)
    try:
        async with engine.begin() as db:
            await db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('homeward migrate', 0))"))
            if await revision_of(db) != head_of(service):
                await db.run_sync(_upgrade, service)
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection, service: str) -> None:
    config = _config(service)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_env(metadata: sa.MetaData) -> None:
    """What every ``migrations/env.py`` does: run within the connection given, or make one from
    ``-x url=…`` when a developer calls alembic by hand."""
    given: Any = context.config.attributes.get("connection")
    if given is not None:
        context.configure(connection=given, target_metadata=metadata)
        context.run_migrations()
        return

    async def by_hand() -> None:
        engine = create_engine(context.get_x_argument(as_dictionary=True)["url"], pool_size=1)
        async with engine.begin() as db:
            await db.run_sync(lambda connection: _run(connection, metadata))
        await engine.dispose()

    asyncio.run(by_hand())


def _run(connection: sa.Connection, metadata: sa.MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
