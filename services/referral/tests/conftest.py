"""A world with one referral service in it."""

from collections.abc import AsyncIterator

import pytest

from harness.world import World, open_world
from homeward.common.contracts import OPEN_CLASSES, FieldClass
from homeward.common.keys import LOOKUP
from homeward.common.parts import Service
from homeward.referral.app import create_service
from homeward.referral.settings import Settings

ENTITLED = OPEN_CLASSES | {FieldClass.HEALTH, FieldClass.PROTECTION, LOOKUP}


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
async def service(world: World) -> Service:
    """Entitled to what it needs and no more: it knows nobody's name."""
    return await world.start(create_service, Settings, classes=ENTITLED)
