"""The single-node edition: embedded PostgreSQL, the embedded log, all services in one process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from homeward.audit import app as audit
from homeward.audit.settings import Settings as AuditSettings
from homeward.audit.signing import LogKeyUnusable
from homeward.common import http
from homeward.common.broker.postgres import PostgresBroker
from homeward.common.db import create_engine
from homeward.common.envelope import topic_of
from homeward.common.main import CannotListen, consume_loops, listen, serve, together
from homeward.common.migrate import upgrade
from homeward.common.parts import Service
from homeward.common.relay import Relay
from homeward.common.secret_files import SecretUnusable
from homeward.common.tokens import IssuerVerifier
from homeward.exchange import app as exchange
from homeward.exchange.settings import Settings as ExchangeSettings
from homeward.intake import app as intake
from homeward.intake.settings import Settings as IntakeSettings
from homeward.keyring import app as keyring
from homeward.keyring.api import operations as keyring_operations
from homeward.keyring.services import Services, ServicesUnusable
from homeward.keyring.settings import Settings as KeyringSettings
from homeward.referral import app as referral
from homeward.referral.settings import Settings as ReferralSettings
from homeward.verification import app as verification
from homeward.verification.settings import Settings as VerificationSettings

from .folder import CannotStart, held
from .gateway import Gateway
from .postgres import EmbeddedPostgres
from .secrets import write_secrets

NAMES = ("keyring", "intake", "verification", "referral", "exchange", "audit")
LOG_DATABASE = "homeward_log"
WATCH_SECONDS = 1.0
T = TypeVar("T")


class PlatformEnded(Exception):
    """It cannot go on; the message says why."""


@dataclass(frozen=True)
class Edition:
    """All that one machine runs."""

    services: list[Service]
    postgres: EmbeddedPostgres


def create_services(secrets: Path, base_url: str, database: Callable[[str], str]) -> list[Service]:
    """All six services over ``database(name)`` URLs and one embedded log, keyring first."""
    broker = PostgresBroker(database(LOG_DATABASE).replace("+asyncpg", ""), partitions=1)

    async def published() -> dict[str, Any]:
        found: dict[str, Any] = await issuer.parts.own["published"]()
        return found

    def common(name: str) -> dict[str, Any]:
        return {"database_url": database(f"homeward_{name}"), "public_url": base_url}

    def outside(name: str) -> dict[str, Any]:
        return {
            "engine": create_engine(database(f"homeward_{name}"), pool_size=3),
            "broker": broker,
            "verifier": IssuerVerifier(base_url, published),
        }

    keys = keyring.create_service(
        KeyringSettings(
            **common("keyring"), kek_file=secrets / "kek", services_file=secrets / "services.json"
        ),
        **outside("keyring"),
    )
    known: Services = keys.parts.own["services"]

    def keyed(name: str) -> dict[str, Any]:
        return outside(name) | {"keyring": known.keyring_of(name)}

    of_its_own = keyed("exchange")
    del of_its_own["verifier"]  # the issuer has at hand what it publishes
    issuer = exchange.create_service(
        ExchangeSettings(
            **common("exchange"),
            issuer_key_file=secrets / "issuer.jwk",
            staff_file=secrets / "staff.json",
        ),
        **of_its_own,
    )
    return [
        keys,
        intake.create_service(
            IntakeSettings(**common("intake"), service_key_file=secrets / "intake.jwk"), **keyed("intake")
        ),
        verification.create_service(VerificationSettings(**common("verification")), **keyed("verification")),
        referral.create_service(ReferralSettings(**common("referral")), **keyed("referral")),
        issuer,
        audit.create_service(
            AuditSettings(**common("audit"), log_key_file=secrets / "log.key"), **keyed("audit")
        ),
    ]


@asynccontextmanager
async def open_edition(data: Path, base_url: str) -> AsyncIterator[Edition]:
    """Everything migrated and ready to run; closed at the end of the context. CannotStart."""
    secrets = _usable(data / "secrets", lambda: write_secrets(data, base_url))
    postgres = await asyncio.to_thread(EmbeddedPostgres, data / "postgres")
    try:
        await postgres.prepare([LOG_DATABASE, *(f"homeward_{name}" for name in NAMES)])
        for name in NAMES:
            await upgrade(name, postgres.url(f"homeward_{name}"))
        services = _usable(secrets, lambda: create_services(secrets, base_url, postgres.url))
        try:
            if wrong := await services[0].ready():
                raise CannotStart(f"The secrets in {secrets} are not those of {data}: it needs {wrong}.")
            await services[0].parts.broker.ensure_topics([topic_of(name) for name in NAMES])
            yield Edition(services, postgres)
        finally:
            await services[0].parts.broker.close()
            for service in services:
                await service.parts.engine.dispose()
    finally:
        await asyncio.to_thread(postgres.stop)


async def run(
    data: Path,
    host: str,
    port: int,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    *,
    public_url: str | None = None,
) -> None:
    """Serve until ``stop``; ``ready`` is told the base URL when all of it answers. CannotStart."""
    with held(data):
        listening = _listen(host, port)
        base_url = public_url or base_url_of(host, listening.getsockname()[1])
        with closing(listening):
            async with open_edition(data, base_url) as edition:
                services = edition.services
                gateway = Gateway(services, {s.name: http.create_app(facing_others(s)) for s in services})
                loops = [loop for s in services for loop in (Relay(s).run, *consume_loops(s))]
                try:
                    await together(
                        stop,
                        serve(gateway, listening, stop),
                        _announce(services, base_url, stop, ready),
                        _watch(edition.postgres, stop),
                        *(loop(stop) for loop in loops),
                    )
                except Exception:
                    if edition.postgres.alive:
                        raise
                    raise PlatformEnded("its PostgreSQL has ended") from None


def _usable(secrets: Path, work: Callable[[], T]) -> T:
    """What ``work`` gives; CannotStart if a secret it reads or writes is not as it must be."""
    try:
        return work()
    except (SecretUnusable, ServicesUnusable, LogKeyUnusable) as error:
        raise CannotStart(f"a secret cannot be used: {error}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotStart(f"the secrets in {secrets} cannot be used ({type(error).__name__}).") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except CannotListen as error:
        raise CannotStart(f"{error}. Give another --port (0 takes a free one) or --host.") from None


def base_url_of(host: str, port: int) -> str:
    """The address that others are told."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def facing_others(service: Service) -> Service:
    """The service as it answers over HTTP: the keyring hands out keys within the process only."""
    return replace(service, routers=[keyring_operations]) if service.name == "keyring" else service


async def _announce(
    services: list[Service],
    base_url: str,
    stop: asyncio.Event,
    ready: Callable[[str], None],
) -> None:
    """Say ready once every service is, then stay until the end."""
    while not stop.is_set():
        if not [reason for service in services for reason in await http.not_ready(service)]:
            ready(base_url)
            break
        await asyncio.sleep(0.05)
    await stop.wait()


async def _watch(postgres: EmbeddedPostgres, stop: asyncio.Event) -> None:
    """End the platform when its database has ended, rather than wait for it for ever."""
    while not stop.is_set():
        if not postgres.alive:
            raise RuntimeError("PostgreSQL has ended")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WATCH_SECONDS)
