"""Composition root of the keyring."""

from typing import Any

from fastapi import FastAPI

from homeward.common import http
from homeward.common.contracts import SubjectErased
from homeward.common.keys import CachedKeyring
from homeward.common.main import build_parts
from homeward.common.parts import Parts, Service

from . import api, store
from .domain import KekUnusable
from .kek_files import KekFiles
from .keyring import OWN, erase_again, held_keks
from .rotation import Rotation, RotationRefused
from .services import Services
from .settings import Settings


def create_service(settings: Settings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`. SecretUnusable, ServicesUnusable."""
    files = KekFiles(settings.kek_file)
    files.read()  # what is wrong with them is said at the start
    parts: Parts | None = None

    def own_parts() -> Parts:
        assert parts is not None
        return parts

    services = Services(own_parts, files, Services.read(settings.services_file))
    parts = build_parts("keyring", settings, keyring=services.keyring_of(OWN), **outside)
    # The keyring seals its own events with its own keys, and outlives any forgetting.
    parts.keyring = CachedKeyring(services.keyring_of(OWN), ttl=float("inf"))
    parts.own["services"] = services
    parts.own["rotation"] = Rotation(own_parts, files)

    async def ready() -> str | None:
        async with own_parts().engine.connect() as db:
            needed = await store.needed_keks(db)
        try:
            missing = needed - held_keks(files).keys()
        except KekUnusable as error:
            return str(error)
        return "the key-encryption key that wrapped the data keys" if missing else None

    return Service(
        parts,
        routers=[api.router, api.operations],
        restores={SubjectErased: erase_again},
        ready=ready,
    )


class RotationUnfinished(RotationRefused):
    """The rest is for whoever mounts the key-encryption keys."""


async def rotate(service: Service) -> str:
    """The ``rotate`` role: change the key-encryption key; a line for the operator. Raises as
    :meth:`.Rotation.run`, and RotationUnfinished."""
    rotation: Rotation = service.parts.own["rotation"]
    done = await rotation.run(f"service:{OWN}")
    told = f"{done.keys} data keys are wrapped by {done.kek_id}"
    if done.destroyed_at is None:
        raise RotationUnfinished(
            f"{told}, but the former key {done.former_kek_id} is still mounted: give the next key under its "
            "name, destroy every copy of the former, then run this again"
        )
    return f"{told}; {done.former_kek_id} was destroyed at {done.destroyed_at.isoformat()}"


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))
