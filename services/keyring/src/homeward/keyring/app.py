"""Composition root of the keyring."""

from typing import Any

from fastapi import FastAPI

from homeward.common import http
from homeward.common.keys import CachedKeyring
from homeward.common.main import build_parts
from homeward.common.parts import Parts, Service

from . import api, store
from .domain import Kek
from .keyring import OWN
from .services import Services
from .settings import Settings


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`. SecretUnusable, ServicesUnusable."""
    kek = Kek.read(settings.kek_file)
    parts: Parts | None = None

    def own_parts() -> Parts:
        assert parts is not None
        return parts

    services = Services(own_parts, kek, Services.read(settings.services_file))
    parts = build_parts("keyring", settings, keyring=services.keyring_of(OWN), **outside)
    # The keyring seals its own events with its own keys, and outlives any forgetting.
    parts.keyring = CachedKeyring(services.keyring_of(OWN), ttl=float("inf"))
    parts.own["services"] = services

    async def ready() -> str | None:
        async with own_parts().engine.connect() as db:
            another = await store.wrapped_by_another(db, kek.id)
        return "the key-encryption key that wrapped the data keys" if another else None

    return Service(parts, routers=[api.router], ready=ready)


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
