"""From accepted to readable by a partner, at a steady rate, on the whole platform: every role a process of
its own, on Kafka. ``python -m bench.run --only latency``."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import quantiles
from typing import Any, cast

import httpcore
import httpx

from harness.platform import Platform, running_platform
from harness.postgres_server import Postgres
from homeward.client.credentials import Credentials
from homeward.client.session import Session
from homeward.onebox.demo.partners import CONSENTS, PARTNERS, PartnerFeed
from homeward.onebox.postgres import EmbeddedPostgres

from .ground import Ground, forget_topics

RATE = 50
GOAL = 1.0
"""Seconds, at the 99th percentile."""
RECEIVED = "homeward.report.received.v1"
PATIENCE = 60.0


class _Synced:
    """The bench's server, as the platform of the tests wants one."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self.url = server.url

    def create_database(self, name: str) -> None:
        asyncio.run(self._server.prepare([name]))

    def drop_database(self, name: str) -> None:
        """All goes with the server."""


@contextmanager
def whole_platform(ground: Ground, name: str) -> Iterator[tuple[Platform, Session, Session]]:
    """The platform, somebody who may hand in reports, and a partner who may see much of them."""
    asyncio.run(forget_topics(ground.kafka().bootstrap))
    folder = ground.folder / name
    folder.mkdir()
    postgres = cast(Postgres, _Synced(ground.postgres))
    with running_platform(folder, postgres, ground.kafka(), traced=False) as platform:
        with Session(Credentials.read(folder / "credentials" / "operator.json")) as operator:
            partner = PartnerFeed.register(PARTNERS[-1], operator, folder).session
        with Session(Credentials.read(folder / "credentials" / "caseworker.json")) as sender, partner:
            yield platform, sender, partner


def measure(ground: Ground) -> dict[str, Any]:
    """What the report says of it."""
    with whole_platform(ground, "platform") as (platform, sender, partner):
        watched = _Watched(platform, sender, partner)
        asyncio.run(watched.run(5, "warm"))
        asyncio.run(watched.run(5 if ground.quick else 20, "measured"))
    return watched.summary()


class _Watched:
    def __init__(self, platform: Platform, sender: Session, partner: Session) -> None:
        self._intake = platform.url_of(("intake", "serve"))
        self._exchange = platform.url_of(("exchange", "serve"))
        self._sender = sender
        self._partner = partner
        self._accepted: dict[str, float] = {}
        self._readable: dict[str, float] = {}
        self._cursor: str | None = None

    async def run(self, seconds: int, name: str) -> None:
        """Send at the steady rate, whatever the answers, and read meanwhile, until all is read."""
        self._accepted, self._readable = {}, {}
        sent = asyncio.Event()
        reading = asyncio.ensure_future(self._read(sent))
        loop = asyncio.get_running_loop()
        # Below httpx, which would take the processor for longer than intake does.
        async with httpcore.AsyncConnectionPool(max_connections=100) as client:
            started, sending = loop.time(), []
            for number in range(RATE * seconds):
                await asyncio.sleep(started + number / RATE - loop.time())
                sending.append(asyncio.ensure_future(self._send(client, f"Person {name} {number}")))
            await asyncio.gather(*sending)
        sent.set()
        await reading

    async def _send(self, client: httpcore.AsyncConnectionPool, name: str) -> None:
        report = {"full_name": name, "consents": [CONSENTS[-1]], "narrative": "Seen. " * 20}
        headers: list[tuple[bytes | str, bytes | str]] = [("Content-Type", "application/json")]
        headers += self._sender.headers("POST", "/v1/reports").items()
        answer = await client.request(
            "POST", f"{self._intake}/v1/reports", headers=headers, content=json.dumps(report).encode()
        )
        if answer.status == 201:
            self._accepted[name] = asyncio.get_running_loop().time()

    async def _read(self, sent: asyncio.Event) -> None:
        loop, quiet_since = asyncio.get_running_loop(), 0.0
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            while True:
                place = {"cursor": self._cursor} if self._cursor else {}
                answer = await client.get(
                    f"{self._exchange}/v1/events",
                    params={**place, "limit": 500, "wait": 1},
                    headers=self._partner.headers("GET", "/v1/events"),
                )
                if answer.status_code == 503:  # paused, while exchange is far behind
                    await asyncio.sleep(0.2)
                    continue
                page = answer.raise_for_status().json()
                self._cursor, now = page["cursor"], loop.time()
                for event in page["events"]:
                    if event["type"] == RECEIVED:
                        self._readable[event["data"]["classes"]["person_identity"]["full_name"]] = now
                if page["events"] or not sent.is_set():
                    quiet_since = now
                missing = self._accepted.keys() - self._readable.keys()
                if sent.is_set() and (not missing or now - quiet_since > PATIENCE):
                    return

    def summary(self) -> dict[str, Any]:
        waits = [self._readable[n] - at for n, at in self._accepted.items() if n in self._readable]
        hundredths = quantiles([max(wait, 0.0) for wait in waits], n=100)
        p99 = round(hundredths[98], 3)
        return {
            "hop": "accepted → readable",
            "rate_per_second": RATE,
            "accepted": len(self._accepted),
            "never_readable": len(self._accepted) - len(waits),
            "p50_seconds": round(hundredths[49], 3),
            "p99_seconds": p99,
            "goal_p99_seconds": GOAL,
            "met": p99 <= GOAL and len(waits) == len(self._accepted),
        }


def line(result: Mapping[str, Any]) -> str:
    """The table's line."""
    spread = f"p50 {result['p50_seconds']:.2f} s, p99 {result['p99_seconds']:.2f} s at {RATE} reports/s"
    met = "met" if result["met"] else "NOT MET"
    return f"{result['hop']:<24} {spread}, goal p99 {GOAL:.0f} s: {met}"
