"""Composition root of exchange."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from joserfc.jwk import OKPKey

from homeward.common import http, jose
from homeward.common.auth import IssuerVerifier
from homeward.common.main import build_parts
from homeward.common.parts import Parts, Service

from . import api
from .consumers import CONSUMERS, finishing, prepare
from .decide import Judge
from .issuer import Issuer
from .policies import PolicySet
from .settings import Settings
from .store import partners as registry
from .sweep import Sweeper


def create_service(settings: Settings, *, issuer_key: OKPKey | None = None, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`. PoliciesRefused if they are not valid."""
    judge = Judge(PolicySet.packaged(), settings.data_home)
    if issuer_key is None:
        issuer_key = jose.read_key(settings.issuer_key_file) if settings.issuer_key_file else jose.new_key()
    issuer = Issuer(settings.public_url, issuer_key, settings.token_seconds)

    async def own_keys() -> dict[str, Any]:
        return issuer.jwks()

    outside.setdefault("verifier", IssuerVerifier(settings.public_url, own_keys))
    parts = build_parts("exchange", settings, **outside)
    parts.own.update(judge=judge, issuer=issuer, staff=_staff(settings))
    return Service(
        parts,
        routers=api.ROUTERS,
        consumers=CONSUMERS,
        prepare=prepare,
        finish=finishing(judge),
        ready=lambda: enrol_staff(parts),
        background=[Sweeper(parts, judge).run],
    )


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))


def _staff(settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    if settings.staff_file is None:
        return {}
    staff: Mapping[str, Mapping[str, Any]] = json.loads(settings.staff_file.read_text())
    return staff


async def enrol_staff(parts: Parts) -> str | None:
    """Let the staff of the staff file ask for tokens; done once a process, before it is ready."""
    if not parts.own.get("enrolled"):
        async with parts.engine.begin() as db:
            for client_id, entry in sorted(parts.own["staff"].items()):
                await registry.put_client(db, client_id, entry["organisation"], entry["role"], entry["jwk"])
        parts.own["enrolled"] = True
    return None
