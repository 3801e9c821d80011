"""A world with one exchange in it, and three partners where a test wants them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.postgres import Postgres
from harness.world import World, open_world
from homeward.common.parts import Service
from homeward.exchange.app import create_service
from homeward.exchange.settings import Settings

from .scene import BODY, NGO, POLICE, Scene


@pytest.fixture(scope="session")
def furnished(postgres: Postgres) -> Iterator[str]:
    """The name of a database that is migrated and has the three partners in it, to be copied."""
    name = f"exchange_{uuid.uuid4().hex[:12]}"
    url = postgres.create_database(name)
    with ThreadPoolExecutor(1) as thread:  # pytest-asyncio keeps a loop in this one
        thread.submit(asyncio.run, _furnish(url)).result()
    yield name
    postgres.drop_database(name)


async def _furnish(url: str) -> None:
    async with open_world(url) as world:
        service = await world.start(create_service, Settings)
        async with world.client(service) as client:
            scene = Scene(world, service, client)
            await scene.register(POLICE, BODY, NGO)
            await scene.sweep()


@pytest.fixture
def database(postgres: Postgres, furnished: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name, template=furnished)
    postgres.drop_database(name)


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
    await scene.world.execute(scene.service, "TRUNCATE partners, clients, sweeps, policy_sets, outbox")
    return scene
