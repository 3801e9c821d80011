"""The roles every service runs as: ``serve | consume | relay | migrate``, one process each."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from . import http, logs, telemetry
from .arrivals import Arrivals
from .broker import Broker, open_broker
from .clock import Clock, utc_now
from .consumer import Consumer
from .db import create_engine
from .envelope import topic_of, topics_of
from .jose import new_key, read_key
from .keyring_http import HttpKeyring
from .keys import CachedKeyring, Keyring
from .logs import where
from .migrate import upgrade
from .parts import Parts, Service
from .relay import Relay
from .restoring import until_read_again
from .settings import ServiceSettings
from .tokens import IssuerVerifier, TokenVerifier, jwks_over_http

log = logging.getLogger(__name__)
S = TypeVar("S", bound=ServiceSettings)
Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
Job = Callable[[Service], Coroutine[Any, Any, str]]
"""A role of one service alone, which does something and ends; what it did, in a line."""
ROLES = ("serve", "consume", "relay", "migrate")
KEYS_IN_STOCK = 200
NEW_OBJECTS = 20_000
"""A batch makes more than the 700 after which the collector looks by default."""
_NO_JOBS: Mapping[str, Job] = {}


def build_parts(
    name: str,
    settings: ServiceSettings,
    *,
    engine: AsyncEngine | None = None,
    broker: Broker | None = None,
    keyring: Keyring | None = None,
    verifier: TokenVerifier | None = None,
    clock: Clock = utc_now,
    revoked: str | None = None,
) -> Parts:
    """A service's parts from its settings, or those given instead; ``revoked`` as for :class:`.Arrivals`."""
    stock = 0
    if keyring is None:
        key = read_key(settings.service_key_file) if settings.service_key_file else new_key()
        keyring, stock = HttpKeyring(settings.keyring_url, name, key), KEYS_IN_STOCK
    engine = engine or create_engine(settings.database_url)
    return Parts(
        name=name,
        settings=settings,
        engine=engine,
        broker=broker
        or open_broker(
            settings.broker_url,
            partitions=settings.topic_partitions,
            replication=settings.topic_replication,
        ),
        keyring=CachedKeyring(keyring, stock=stock),
        verifier=verifier or IssuerVerifier(settings.public_url, jwks_over_http(settings.jwks_url)),
        arrivals=Arrivals(engine, revoked=revoked),
        clock=clock,
    )


def run(
    name: str, settings_type: type[S], create: Callable[[S], Service], *, jobs: Mapping[str, Job] = _NO_JOBS
) -> None:
    """Run the role named on the command line until SIGTERM, or one of ``jobs`` to its end; exit code 2, and
    one line that says why, for bad usage or settings, 1 for a job that failed."""
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in (*ROLES, *jobs):
        raise _refusal(f"usage: python -m homeward.{name} {'|'.join((*ROLES, *jobs))}")
    service = _created(name, settings_type, create)
    settings = service.parts.settings
    logs.configure(name, settings.log_level)
    telemetry.configure(name, settings.otlp_endpoint)
    if role in jobs:
        return _do(jobs[role], service)
    collect_seldom()
    try:
        uvloop.run(_run(role, service))
    except CannotListen as error:
        raise _refusal(f"homeward {name}: {error}") from None


def _created(name: str, settings_type: type[S], create: Callable[[S], Service]) -> Service:
    wrong = ["database_url"]
    try:
        settings = settings_type()
        if settings.database_url:
            return create(settings)
    except ValidationError as error:
        wrong = [str(item["loc"][0]) for item in error.errors() if item["loc"]]
    except Exception as error:
        raise _refusal(f"homeward {name}: cannot start: {_told(error)}") from None
    named = ", ".join(f"{name}_{setting}".upper() for setting in wrong)
    raise _refusal(
        f"homeward {name}: these settings are missing or not valid: {named}. See docs/operations.md."
    )


def collect_seldom() -> None:
    """Have the garbage collector pass over all that is there, which stays for as long as the process runs,
    and look less often at what is new: somebody waits meanwhile."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)


def _told(error: Exception) -> str:
    # What our own errors say is meant to be read; others quote what they choked on.
    return str(error) if type(error).__module__.startswith("homeward.") else where(error)


def _refusal(line: str, code: int = 2) -> SystemExit:
    sys.stderr.write(f"{line}\n")
    return SystemExit(code)


def _do(job: Job, service: Service) -> None:
    try:
        done = uvloop.run(_to_its_end(job, service))
    except Exception as error:
        raise _refusal(f"homeward {service.name}: {_told(error)}", code=1) from None
    sys.stdout.write(f"homeward {service.name}: {done}\n")


async def _to_its_end(job: Job, service: Service) -> str:
    try:
        return await job(service)
    finally:
        await service.parts.broker.close()
        await service.parts.engine.dispose()


async def _run(role: str, service: Service) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    settings = service.parts.settings
    try:
        if role == "migrate":
            await upgrade(service.name, settings.direct_database_url)
            await service.parts.broker.ensure_topics([topic_of(service.name)])
            return
        app = http.create_app(service) if role == "serve" else http.create_probes(service)
        loops: list[Loop] = []
        if role == "consume":
            loops += consume_loops(service)
        elif role == "relay":
            loops.append(Relay(service).run)
        broker = role != "serve"
        if not await until_migrated(service, stop, broker=broker):
            return
        if broker:
            await service.parts.broker.ensure_topics(
                sorted({topic_of(service.name), *topics_of(service.consumers)})
            )
        await together(stop, _serving(app, settings, stop), *(loop(stop) for loop in loops))
    finally:
        await service.parts.broker.close()
        await service.parts.engine.dispose()


def consume_loops(service: Service) -> list[Loop]:
    """The loops of the ``consume`` role, each to be given the stop event."""
    loops = list(service.background)
    if service.consumers:
        loops.append(Consumer(service).run)
    return [_once_whole(service.parts, loop) for loop in loops]


def _once_whole(parts: Parts, loop: Loop) -> Loop:
    """The loop, begun once the database is as new as what it told others (it may have been restored)."""

    async def begin(stop: asyncio.Event) -> None:
        await until_read_again(parts, stop)
        if not stop.is_set():
            await loop(stop)

    return begin


async def until_migrated(service: Service, stop: asyncio.Event, *, broker: bool) -> bool:
    """Wait for database and migrations, and the ``broker`` where it is needed; work on an older schema
    could lose what it writes. False if it is to stop before they are there."""
    told = ""
    while not stop.is_set():
        waiting = {"database", "migrations", "broker"} & set(await http.not_ready(service, broker=broker))
        if not waiting:
            return True
        if told != (told := ", ".join(sorted(waiting))):
            log.warning("waiting for %s", told)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
    return False


async def together(stop: asyncio.Event, *running: Coroutine[Any, Any, None]) -> None:
    """Run all until ``stop``; if one ends or fails, stop all and let the failure out: the process
    ends and is started again, rather than go on without a part."""
    tasks = [asyncio.ensure_future(one) for one in running]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
    done, late = await asyncio.wait(tasks, timeout=20)
    for task in late:
        task.cancel()
    for task in done:
        task.result()


async def _serving(app: FastAPI, settings: ServiceSettings, stop: asyncio.Event) -> None:
    await serve(app, listen(settings.host, settings.port), stop)


class CannotListen(OSError):
    """The address to listen on is taken, or not ours."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. CannotListen if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from None
    listening.listen(2_048)  # from now on nobody is refused, however long the rest takes
    return listening


async def serve(app: ASGIApp, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until ``stop``, then answer what is under way for five seconds at most."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        scope[http.STOP] = stop
        await app(scope, receive, send)

    config = uvicorn.Config(
        told,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the loop: several parts must end together."""
        yield
