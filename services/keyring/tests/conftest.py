"""A keyring on an empty database, and the other services as it knows them."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.world import World, open_world
from homeward.common import http, jose
from homeward.common.keyring_http import HttpKeyring
from homeward.common.parts import Service
from homeward.keyring.app import create_service
from homeward.keyring.configure import configure
from homeward.keyring.settings import Settings

Asking = Callable[..., HttpKeyring]


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A deployment's secrets, as they are made at its first start."""
    configure(tmp_path / "secrets")
    return tmp_path / "secrets"


def on_its_own_keys(settings: Settings, *, keyring: object, **outside: Any) -> Service:
    """The composition root without the world's keyring: this is one."""
    return create_service(settings, **outside)


@pytest.fixture
async def service(world: World, secrets: Path) -> Service:
    return await world.start(
        on_its_own_keys,
        Settings,
        kek_file=secrets / "kek",
        services_file=secrets / "services.json",
    )


@pytest.fixture
async def wire(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The keyring's HTTP side, without any assertion."""
    transport = httpx.ASGITransport(http.create_app(service), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://keyring") as client:
        yield client


@pytest.fixture
def asking(wire: httpx.AsyncClient, secrets: Path) -> Asking:
    """``asking("intake")``: the keyring as that service meets it, over HTTP."""

    def as_service(name: str, **options: Any) -> HttpKeyring:
        key = jose.key_of(json.loads((secrets / f"{name}.jwk").read_text()))
        return HttpKeyring("http://keyring", name, key, client=wire, **options)

    return as_service
