"""Composition root of the keyring."""

from typing import Any

from fastapi import FastAPI

from homeward.common import http
from homeward.common.keys import CachedKeyring
from homeward.common.main import build_parts
from homeward.common.parts import Parts, Service

from . import api
from .domain import Kek
from .keyring import OWN
from .services import Services
from .settings import Settings


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`. KekUnusable, ServicesUnusable."""
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
    return Service(parts, routers=[api.router])


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
