"""A world with one tiny service in it, and the two brokers."""

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.world import World, open_world
from homeward.common.broker import Broker, open_broker
from homeward.common.parts import Handler, Service
from homeward.common.settings import ServiceSettings

TINY = Path(__file__).with_name("tiny")
sys.path.append(str(TINY))  # `homeward` is a namespace: its parts may lie anywhere


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
async def service(world: World) -> Service:
    """The tiny service: it notes the reports it hears of, and says so."""
    from homeward.tiny.app import create_service

    return await world.start(create_service, ServiceSettings)


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
