"""One port for all services: each request goes to the service that has its path."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from starlette.requests import Request
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homeward.common.http import not_ready
from homeward.common.parts import Service
from homeward.common.problems import Problem

_OWN = {"/healthz", "/readyz", "/openapi.json"}


class Gateway:
    """An ASGI application over those of the services; probes and OpenAPI are merged."""

    def __init__(self, services: Sequence[Service], apps: Mapping[str, FastAPI]) -> None:
        self._services = services
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        app: ASGIApp = self._merged if scope["path"] in _OWN else self._owner(scope)
        answering = False

        async def watched(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await app(scope, receive, watched)
        except asyncio.CancelledError:
            # The platform is stopping and has waited long enough, for somebody who waits for an event.
            if answering:
                raise
            problem = Problem(503, "stopping", "The platform is stopping; try again.", retry_after=5)
            await problem.response()(scope, receive, send)

    def _owner(self, scope: Scope) -> FastAPI:
        """The service with this path and method, else one with this path (405), else any (404)."""
        apps = list(self._apps.values())
        partial = None
        for app in apps:
            match = _match(app.router, scope)
            if match is Match.FULL:
                return app
            if match is Match.PARTIAL:
                partial = partial or app
        return partial or apps[0]

    async def _merged(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            problem = Problem(405, "method-not-allowed", "This path does not take this method.")
            problem.headers["Allow"] = "GET"
            return problem.response()
        if request.url.path == "/healthz":
            return JSONResponse({"status": "ok"})
        if request.url.path == "/openapi.json":
            return JSONResponse(merged_openapi({name: app.openapi() for name, app in self._apps.items()}))
        waiting = {
            service.name: missing for service in self._services if (missing := await not_ready(service))
        }
        return JSONResponse({"ready": not waiting, "waiting_for": waiting}, 503 if waiting else 200)


def merged_openapi(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One OpenAPI document of several services'. A schema whose name another service uses for something
    else is called by its service too."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for service, document in documents.items():
        components = document.get("components", {})
        own = components.get("schemas", {})
        for kind in ("responses", "securitySchemes"):  # the same in all
            others.setdefault(kind, {}).update(components.get(kind, {}))
        taken = [name for name, schema in own.items() if schemas.get(name, schema) != schema]
        text = json.dumps({"paths": document.get("paths", {}), "schemas": own})
        for name in taken:
            text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{service}.{name}"')
        renamed = json.loads(text)
        for path, operations in renamed["paths"].items():
            paths.setdefault(path, {}).update(operations)
        for name, schema in renamed["schemas"].items():
            schemas[f"{service}.{name}" if name in taken else name] = schema
    return {
        "openapi": "3.1.0",
        "info": {"title": "Homeward", "version": "1"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), **others},
    }


def _match(router: Router, scope: Scope) -> Match:
    best = Match.NONE
    for route in router.routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return match
        if match is Match.PARTIAL:
            best = match
    return best
