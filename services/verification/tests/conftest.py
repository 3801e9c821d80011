"""A world with one verification in it."""

from collections.abc import AsyncIterator

import pytest

from harness.world import World, open_world
from homeward.common.contracts import OPEN_CLASSES, FieldClass
from homeward.common.keys import LOOKUP
from homeward.common.parts import Service
from homeward.verification.app import create_service
from homeward.verification.settings import Settings

ENTITLED = OPEN_CLASSES | {FieldClass.PERSON_IDENTITY, FieldClass.ASSESSMENT, FieldClass.PROTECTION, LOOKUP}


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
async def service(world: World) -> Service:
    """Entitled to what it needs and no more: it must do without narratives and contacts."""
    return await world.start(create_service, Settings, classes=ENTITLED)
