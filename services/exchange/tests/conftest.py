"""A world with one exchange in it, and three partners where a test wants them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from harness.postgres import Postgres
from harness.world import World, open_world
from homeward.common.parts import Service
from homeward.exchange.app import create_service
from homeward.exchange.settings import Settings

from .scene import BODY, NGO, POLICE, Scene


@pytest.fixture(scope="session")
def furnished(postgres: Postgres) -> Iterator[str]:
    """The URL of a database that is migrated and has the three partners in it."""
    name = f"exchange_{uuid.uuid4().hex[:12]}"
    url = postgres.create_database(name)
    _apart(_furnish(url))
    yield url
    postgres.drop_database(name)


@pytest.fixture
def database(furnished: str) -> str:
    """That database as it was at first: emptied and furnished again, which is quicker than another one."""
    _apart(_restore(furnished))
    return furnished


def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a thread of its own: pytest-asyncio keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


KEPT = ("partners", "clients", "client_keys", "policy_sets")


async def _furnish(url: str) -> None:
    async with open_world(url) as world:
        service = await world.start(create_service, Settings)
        async with world.client(service) as client:
            scene = Scene(world, service, client)
            await scene.register(POLICE, BODY, NGO)
            await scene.sweep()
    async with _connection(url) as db:
        await db.execute("CREATE SCHEMA kept")
        for table in KEPT:
            await db.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")


async def _restore(url: str) -> None:
    async with _connection(url) as db:
        tables = await db.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        names = ", ".join(f'"{row["tablename"]}"' for row in tables)
        await db.execute(f"TRUNCATE {names} RESTART IDENTITY")
        for table in KEPT:
            await db.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept.{table}")
        await db.execute("SELECT setval(pg_get_serial_sequence('policy_sets', 'position'), 1)")


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    db = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield db
    finally:
        await db.close()


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
async def service(world: World) -> Service:
    return await world.start(create_service, Settings)


@pytest.fixture
async def scene(world: World, service: Service) -> AsyncIterator[Scene]:
    """The three partners are registered."""
    async with world.client(service) as client:
        yield Scene(world, service, client)


@pytest.fixture
async def empty(scene: Scene) -> Scene:
    """Nobody is registered yet."""
    await scene.world.execute(
        scene.service, "TRUNCATE partners, clients, client_keys, sweeps, policy_sets, outbox"
    )
    return scene
