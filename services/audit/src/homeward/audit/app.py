"""Composition root of audit."""

from typing import Any

from fastapi import FastAPI

from homeward.common import http
from homeward.common.main import build_parts
from homeward.common.parts import Service

from .api import completeness, events, log, proofs
from .sequencer import Sequencer
from .settings import Settings
from .signing import read_signer


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`. LogKeyUnusable."""
    signer = read_signer(settings.log_key_file, settings.log_origin)
    parts = build_parts("audit", settings, **outside)
    parts.own["signer"] = signer
    sequencer = Sequencer(parts, signer)
    return Service(
        parts,
        routers=[log.router, proofs.router, events.router, completeness.router],
        ready=sequencer.ready,
        background=[sequencer.run],
    )


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
