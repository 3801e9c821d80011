"""The HTTP face every service has: probes, metrics, limits, errors, the runtime's admin routes."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import admin, docs_page, openapi, problems
from .auth import ADDED_HEADERS
from .contracts import CONTRACTS
from .metrics import HTTP_SECONDS
from .migrate import head_of, revision_of
from .parts import Parts, Service
from .problems import Problem
from .telemetry import span


async def parts_of(request: Request) -> Parts:  # `async`, or FastAPI calls it in a thread
    """The parts of the service that answers ``request``."""
    parts: Parts = request.app.state.parts
    return parts


_SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own spans carry paths and queries (receipt codes are in them), its logs messages."""

ServiceParts = Annotated[Parts, Depends(parts_of)]


def create_app(service: Service) -> FastAPI:
    """The service's application."""
    app = FastAPI(
        title=f"Homeward {service.name}",
        version="1",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        dependencies=[Depends(no_nul)],
        telemetry=_SILENT,
    )
    app.state.parts = service.parts
    app.state.service = service
    app.state.needs_broker = False
    problems.install(app)
    openapi.install(app)
    for router in service.routers:
        app.include_router(router)
    app.include_router(admin.router(service.name))
    app.include_router(docs_page.router)
    app.include_router(docs_page.router)
    app.include_router(_probes)
    app.add_middleware(Limited, max_bytes=service.parts.settings.max_body_bytes)
    app.add_middleware(Admitting, at_once=service.parts.settings.max_requests)
    app.add_middleware(Measured, service=service.name)
    return app


def create_probes(service: Service) -> FastAPI:
    """Only the probes and metrics: the face of the roles that answer nobody."""
    app = FastAPI(openapi_url=None, telemetry=_SILENT)
    app.state.service = service
    app.state.needs_broker = True
    problems.install(app)
    app.include_router(_probes)
    return app


async def no_nul(request: Request) -> None:
    """No database text holds a NUL, which JSON and queries can carry: 422 names the field that does.

    What stands in a path is the service's to judge: whether nothing is there (404), or nothing can be.
    """
    query = request.query_params.multi_items() if b"%00" in request.scope["query_string"] else []
    found = [name for name, value in query if "\0" in name + value]
    if problems.is_json(request) and b"\\u0000" in (body := await request.body()):
        with suppress(ValueError, RecursionError):
            found += [problems.pointer(location) for location in _nul_below((), json.loads(body))]
    if found:
        errors = [
            {"field": name.replace("\0", ""), "code": "nul_character", "detail": "NUL is not allowed."}
            for name in found[:100]
        ]
        raise Problem(422, "invalid-request", "Some fields are not valid; see errors.", errors=errors)


def _nul_below(location: tuple[str | int, ...], value: object) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, str) and "\0" in value:
        yield location
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from [(*location, name)] if "\0" in name else _nul_below((*location, name), inner)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _nul_below((*location, position), inner)


_probes = APIRouter(include_in_schema=False)


@_probes.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@_probes.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether database and migrations are there, the broker too for who works on it, and what is not.

    Whoever answers requests needs no broker: what it commits waits in the outbox.
    """
    state = request.app.state
    missing = await not_ready(state.service, broker=state.needs_broker)
    return JSONResponse({"ready": not missing, "waiting_for": missing}, 503 if missing else 200)


@_probes.get("/metrics")
async def metrics() -> Response:
    """Prometheus text."""
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@_probes.get("/schemas/{event_type}.json")
async def schema(event_type: str) -> Response:
    """The JSON Schema an event's ``dataschema`` points to."""
    from .contracts.snapshots import schema_of

    if event_type not in CONTRACTS:
        raise Problem(404, "not-found", "No such event type.")
    return JSONResponse(schema_of(CONTRACTS[event_type]), media_type="application/schema+json")


async def not_ready(service: Service, *, broker: bool = True) -> list[str]:
    """What the service still waits for, in a few words each; the ``broker`` only if it is asked for."""
    missing = []
    parts = service.parts
    try:
        async with parts.engine.connect() as db:
            if await revision_of(db) != head_of(service.name):
                missing.append("migrations")
    except Exception:
        missing.append("database")
    if broker:
        try:
            await parts.broker.end_positions([])
        except Exception:
            missing.append("broker")
    if not missing and (own := await service.ready()):
        missing.append(own)
    return missing


class Limited:
    """Refuses bodies over ``max_bytes`` with 413: by their announced length, or as they come."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        problem = Problem(413, "too-large", f"The body is larger than {self._max} bytes.")
        if not re.fullmatch(rb"[0-9]{1,18}", length) or int(length) > self._max:
            return await problem.response()(scope, receive, send)
        taken, answered = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max:
                raise problem
            return message

        async def unless_too_large(message: Message) -> None:
            # FastAPI makes a 400 of whatever is raised while it reads a body.
            nonlocal answered
            if answered or taken <= self._max:
                answered = True
                await send(message)

        try:
            await self._app(scope, counted, unless_too_large)
        except Exception:
            if answered or taken <= self._max:
                raise
        if not answered and taken > self._max:
            await problem.response()(scope, receive, send)
        return None


class Admitting:
    """Takes so many requests at once; whoever comes beyond that hears it at once (503, Retry-After), before
    a byte of the body is kept. So memory is bounded whatever comes, and what was let in is answered soon.
    Probes are always answered: a service that is busy is not dead."""

    def __init__(self, app: ASGIApp, at_once: int) -> None:
        self._app = app
        self._free = at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            return await self._app(scope, receive, send)
        if self._free <= 0:
            busy = Problem(503, "busy", "As much as can be done is under way. Send it again.", retry_after=1)
            return await busy.response()(scope, receive, send)
        self._free -= 1
        left = False

        def leave() -> None:
            nonlocal left
            self._free, left = self._free + (not left), True

        scope[LEAVE] = leave
        try:
            return await self._app(scope, receive, send)
        finally:
            leave()


class Measured:
    """A span and a measurement a request, by route (the path itself can hold a receipt code), and an
    answer for whatever went wrong."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, started, answered = 500, perf_counter(), False
        added: list[tuple[bytes, bytes]] = []
        scope[ADDED_HEADERS] = added

        async def watched(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message["headers"] = [*message["headers"], *added]
            await send(message)

        parent = dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "ignore") or None
        with span(f"{self._service} {scope['method']}", SpanKind.SERVER, parent) as current:
            try:
                await self._app(scope, receive, watched)
            except Exception as error:
                if answered:
                    raise
                current.set_status(StatusCode.ERROR, type(error).__name__)
                response = await problems.unexpected(Request(scope), error)
                await response(scope, receive, watched)
            finally:
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                current.update_name(f"{method} {route}")
                attributes: dict[str, Any] = {"http.route": route, "http.response.status_code": status}
                current.set_attributes(attributes)
                HTTP_SECONDS.labels(self._service, method, route, status).observe(perf_counter() - started)


STOP = "homeward.stop"
"""Where in the scope the event is that is set when the process is to end."""
LEAVE = "homeward.leave"
"""Where in the scope whoever will be there for long, doing nothing, finds how to give its place to others."""
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
