"""All six services in this process, and everybody who might ask them something."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from fastapi import FastAPI
from joserfc.jwk import OKPKey

from harness.postgres_server import Postgres
from harness.proving import prove
from homeward.common import http, jose
from homeward.common.envelope import topic_of
from homeward.common.migrate import upgrade
from homeward.exchange.domain import ROLE_SCOPES
from homeward.onebox.edition import LOG_DATABASE, NAMES, create_services
from homeward.onebox.secrets import write_secrets

URL = "http://homeward.test"
STAFF = ("operator", "caseworker", "reviewer", "auditor")
PARTNERS = ("ngo", "other-ngo", "suspended-ngo", "victim-ngo")


@dataclass(frozen=True)
class Somebody:
    """How one asks: as which client, by which token, with a proof or without."""

    client_id: str = ""
    role: str = "partner"
    claims: Mapping[str, Any] | None = None
    proven: bool = True


# In this order: whoever is refused comes before those who may, since what these do changes something.
EVERYBODY: Mapping[str, Somebody] = {
    "nobody": Somebody(),
    "other audience": Somebody("ngo", claims={"aud": "http://elsewhere.test"}),
    "expired": Somebody("ngo", claims={"exp": 1_000_000_000}),
    "unproven": Somebody("ngo", proven=False),
    "revoked": Somebody("ngo", claims={"key": "revoked"}),
    "suspended": Somebody("suspended-ngo"),
    "no scope": Somebody("ngo", claims={"scope": ""}),
    "other agency": Somebody("other-ngo"),
    "partner": Somebody("ngo"),
    **{role: Somebody(role, role) for role in STAFF},
}


class House:
    """Made by :func:`open_house`."""

    def __init__(self, apps: Mapping[str, FastAPI], issuer_key: OKPKey) -> None:
        self.apps = apps
        self._issuer_key = issuer_key
        self._key = jose.new_key()
        self._kids: dict[str, str] = {}
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def ask(
        self,
        who: Somebody,
        service: str,
        method: str,
        path: str,
        *,
        more: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """What ``who`` is answered; a proof is made for exactly this request. ``more`` are headers."""
        headers = dict(more or {})
        headers |= await self._headers(who, method, path) if who.client_id else {}
        return await self._clients[service].request(method, path, headers=headers, **options)

    async def _headers(self, who: Somebody, method: str, path: str) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": URL, "aud": URL, "sub": who.client_id, "client_id": who.client_id,
            "org": who.client_id if who.role == "partner" else "homeward", "role": who.role,
            "scope": " ".join(ROLE_SCOPES[who.role]), "iat": now, "exp": now + 300,
            "key": self._kids.get(who.client_id, "staff"), "cnf": {"jkt": self._key.thumbprint()},
        }  # fmt: skip
        told = dict(who.claims or {})
        if told.get("key") == "revoked":
            told["key"] = self._kids["revoked"]
        token = jose.sign({**claims, **told}, self._issuer_key)
        headers = {"Authorization": f"DPoP {token}"}
        if who.proven:
            published = await self.apps["exchange"].state.parts.own["published"]()
            url = URL + unquote(path.partition("?")[0])
            headers["DPoP"] = prove(self._key, method, url, token=token, nonce=published["nonces"][0])
        return headers

    async def _furnish(self) -> None:
        """Four partners: one with a key that is revoked, one that is suspended."""
        operator = EVERYBODY["operator"]
        for agency in PARTNERS:
            former, key = jose.new_key(), jose.new_key()
            body = {
                "agency": agency, "name": agency, "kind": "NGO", "country": "THA", "data_home": "THA",
                "purposes": ["assistance"], "clearance": ["envelope"], "public_jwk": jose.public_jwk(former),
            }  # fmt: skip
            made = await self.ask(operator, "exchange", "POST", "/v1/partners", json=body)
            assert made.status_code == 201, made.text
            path = f"/v1/partners/{agency}/rotate-key"
            body = {"public_jwk": jose.public_jwk(key)}
            changed = await self.ask(operator, "exchange", "POST", path, json=body)
            assert changed.status_code == 200, changed.text
            self._kids[agency] = key.thumbprint()
            if agency == "ngo":
                self._kids["revoked"] = former.thumbprint()
        suspended = await self.ask(operator, "exchange", "POST", "/v1/partners/suspended-ngo/suspend")
        assert suspended.status_code == 200, suspended.text


@asynccontextmanager
async def open_house(postgres: Postgres, folder: Path) -> AsyncIterator[House]:
    """All services, migrated and ready; nothing is consumed or relayed."""
    mark = uuid.uuid4().hex[:8]
    names = {name: f"{name}_{mark}" for name in (LOG_DATABASE, *(f"homeward_{name}" for name in NAMES))}
    urls = {name: postgres.create_database(own) for name, own in names.items()}
    secrets = write_secrets(folder, URL)
    services = create_services(secrets, URL, urls.__getitem__)
    async with AsyncExitStack() as stack:
        for own in names.values():
            stack.callback(postgres.drop_database, own)
        for service in services:
            stack.push_async_callback(service.parts.engine.dispose)
            await upgrade(service.name, urls[f"homeward_{service.name}"])
        broker = services[0].parts.broker
        stack.push_async_callback(broker.close)
        await broker.ensure_topics([topic_of(name) for name in NAMES])
        for service in services:
            await service.ready()
        house = House({s.name: http.create_app(s) for s in services}, jose.read_key(secrets / "issuer.jwk"))
        for name, app in house.apps.items():
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=URL)
            house._clients[name] = await stack.enter_async_context(client)
        await house._furnish()
        yield house
