"""A world with one audit in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.world import World, open_world
from homeward.audit.app import create_service
from homeward.audit.configure import write_log_key
from homeward.audit.settings import Settings
from homeward.common.parts import Service


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "log.key"
    assert write_log_key(path)
    return path


@pytest.fixture
async def service(world: World, key_file: Path) -> Service:
    return await world.start(create_service, Settings, log_key_file=key_file)
