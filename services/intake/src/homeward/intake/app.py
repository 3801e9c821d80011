"""Composition root of intake."""

from typing import Any

from fastapi import FastAPI

from homeward.common import http, jose
from homeward.common.main import build_parts
from homeward.common.parts import Service

from . import api
from .consumers import CONSUMERS, RESTORES
from .settings import Settings


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`."""
    parts = build_parts("intake", settings, **outside)
    key_file = settings.service_key_file
    parts.own["receipt_key"] = jose.read_key(key_file) if key_file else jose.new_key()
    return Service(parts, routers=[api.router], consumers=CONSUMERS, restores=RESTORES)


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
