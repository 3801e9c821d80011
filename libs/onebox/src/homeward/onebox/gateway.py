"""One port for all services: each request goes to the service that has its path."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from starlette.requests import Request
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from homeward.common.http import not_ready
from homeward.common.parts import Service

_OWN = {"/healthz", "/readyz", "/openapi.json"}


class Gateway:
    """An ASGI application over those of the services; probes and OpenAPI are merged."""

    def __init__(self, services: Sequence[Service], apps: Mapping[str, FastAPI]) -> None:
        self._services = services
        self._apps = list(apps.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        app: ASGIApp = self._merged if scope["path"] in _OWN else self._owner(scope)
        await app(scope, receive, send)

    def _owner(self, scope: Scope) -> FastAPI:
        """The service with this path and method, else one with this path (405), else any (404)."""
        partial = None
        for app in self._apps:
            match = _match(app.router, scope)
            if match is Match.FULL:
                return app
            if match is Match.PARTIAL:
                partial = partial or app
        return partial or self._apps[0]

    async def _merged(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path == "/healthz":
            return JSONResponse({"status": "ok"})
        if request.url.path == "/openapi.json":
            return JSONResponse(self._openapi())
        waiting = {
            service.name: missing for service in self._services if (missing := await not_ready(service))
        }
        return JSONResponse({"ready": not waiting, "waiting_for": waiting}, 503 if waiting else 200)

    def _openapi(self) -> dict[str, Any]:
        merged: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": "Homeward", "version": "1"},
            "paths": {},
            "components": {"schemas": {}},
        }
        for app in self._apps:
            document = app.openapi()
            merged["paths"].update(document.get("paths", {}))
            merged["components"]["schemas"].update(document.get("components", {}).get("schemas", {}))
        return merged


def _match(router: Router, scope: Scope) -> Match:
    best = Match.NONE
    for route in router.routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return match
        if match is Match.PARTIAL:
            best = match
    return best
