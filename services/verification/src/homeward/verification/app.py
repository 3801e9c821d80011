"""Composition root of verification."""

import asyncio
from typing import Any

from fastapi import FastAPI

from homeward.common import http
from homeward.common.main import build_parts
from homeward.common.parts import Service

from . import api, consumers
from .rebuild import keep_whole, missing
from .restores import RESTORES
from .settings import Settings


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`."""
    parts = build_parts("verification", settings, **outside)

    async def ready() -> str | None:
        return await missing(parts)

    async def keep_index(stop: asyncio.Event) -> None:
        await keep_whole(parts, stop, settings.forget_within_seconds)

    return Service(
        parts,
        routers=[api.router],
        consumers=consumers.CONSUMERS,
        prepare=consumers.prepare,
        restores=RESTORES,
        finish=consumers.finish,
        ready=ready,
        background=[keep_index],
    )


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
