"""A world with one tiny service in it, and the two brokers."""

from collections.abc import AsyncIterator

import pytest

from harness.world import World, open_world
from homeward.common.broker import Broker, open_broker
from homeward.common.parts import Service

from .noting import Settings, create_service


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
async def service(world: World) -> Service:
    """The tiny service: it notes the reports it hears of, and says so."""
    return await world.start(create_service, Settings)


@pytest.fixture(params=["kafka", "postgresql"])
def broker_url(request: pytest.FixtureRequest) -> str:
    if request.param == "kafka":
        return f"kafka://{request.getfixturevalue('kafka').bootstrap}"
    return str(request.getfixturevalue("database"))


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    """Each broker in turn, with topics of three partitions."""
    broker = open_broker(broker_url, partitions=3)
    yield broker
    await broker.close()
