"""Composition root of exchange."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from joserfc.errors import JoseError

from homeward.common import http, jose
from homeward.common.envelope import topics_of
from homeward.common.main import build_parts
from homeward.common.parts import Parts, Service
from homeward.common.tokens import IssuerVerifier

from . import api
from .bell import Bell
from .consumers import CONSUMERS, finishing, prepare
from .domain import ROLE_SCOPES
from .federation import Federation
from .freshness import Watch
from .issuer import Issuer
from .issuer_keys import read_issuer_keys
from .judge import Judge
from .policies import PolicySet
from .restores import RESTORES
from .settings import Settings
from .store import clients as registry
from .sweep import Sweeper
from .webhooks import Webhooks


class StaffUnusable(Exception):
    """The staff file is not valid; the message says where."""


def create_service(
    settings: Settings,
    *,
    policies: PolicySet | None = None,
    **outside: Any,
) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`. PoliciesRefused, StaffUnusable,
    SecretUnusable."""
    judge = Judge(policies or PolicySet.packaged(), settings.data_home)
    key_file = settings.issuer_key_file
    keys = read_issuer_keys(key_file) if key_file else (jose.new_key(),)
    issuer = Issuer(settings.public_url, keys, settings.token_seconds)

    async def published() -> dict[str, Any]:
        return await issuer.published(parts.engine, parts.clock())

    async def published_here() -> dict[str, Any]:
        # A suspended partner is refused by its feed, which records that.
        return await published() | {"suspended": []}

    outside.setdefault("verifier", IssuerVerifier(settings.public_url, published_here))
    parts = build_parts("exchange", settings, revoked=registry.REVOKED, **outside)
    parts.own.update(judge=judge, issuer=issuer, published=published, staff=_staff(settings))
    parts.own.update(bell=Bell(parts.engine), streams=asyncio.Semaphore(settings.max_streams))
    parts.own["federation"] = Federation.read(settings.issuers_file)
    return Service(
        parts,
        routers=api.ROUTERS,
        consumers=CONSUMERS,
        prepare=prepare,
        restores=RESTORES,
        finish=finishing(judge),
        ready=lambda: enrol_staff(parts),
        background=[
            Sweeper(parts, judge).run,
            Watch(parts, topics_of(CONSUMERS)).run,
            Webhooks(parts, judge, settings).run,
        ],
    )


def create_app(settings: Settings, **outside: Any) -> FastAPI:
    """The application."""
    return http.create_app(create_service(settings, **outside))


def _staff(settings: Settings) -> Mapping[str, Mapping[str, Any]] | None:
    if settings.staff_file is None:
        return None
    staff: Mapping[str, Mapping[str, Any]] = json.loads(settings.staff_file.read_text())
    for client_id, entry in staff.items():
        if entry.get("role") not in ROLE_SCOPES.keys() - {"partner"}:
            raise StaffUnusable(f"staff file: {client_id} has no role of staff")
        try:
            jose.key_of(entry["jwk"])
        except (KeyError, TypeError, ValueError, JoseError):
            raise StaffUnusable(f"staff file: {client_id} has no Ed25519 key (JWK)") from None
        if entry.get("dpop", "required") not in {"required", "optional"}:
            raise StaffUnusable(f"staff file: {client_id}: dpop is required or optional")
    return staff


async def enrol_staff(parts: Parts) -> str | None:
    """Let the staff of the staff file ask for tokens, and nobody else but partners; done once a
    process, before it is ready."""
    staff: Mapping[str, Mapping[str, Any]] | None = parts.own["staff"]
    if staff is not None and not parts.own.get("enrolled"):
        async with parts.engine.begin() as db:
            now = parts.clock()
            await registry.keep_staff(db, staff, now)
            for client_id, entry in sorted(staff.items()):
                dpop = entry.get("dpop", "required")
                await registry.put_client(db, client_id, entry["organisation"], entry["role"], dpop)
                await registry.put_key(db, client_id, jose.thumbprint(entry["jwk"]), entry["jwk"], now)
        parts.own["enrolled"] = True
    return None
