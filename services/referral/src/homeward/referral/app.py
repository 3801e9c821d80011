"""Composition root of referral."""

from typing import Any

from fastapi import FastAPI

from homeward.common import http
from homeward.common.main import build_parts
from homeward.common.parts import Service

from . import api, consumers, moves
from .restores import RESTORES
from .settings import Settings


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`."""
    return Service(
        build_parts("referral", settings, **outside),
        routers=[api.router, moves.router],
        consumers=consumers.CONSUMERS,
        restores=RESTORES,
        prepare=consumers.prepare,
        finish=consumers.finish,
    )


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
