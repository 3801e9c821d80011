"""A partner's feed through exchange's HTTP application, beside reading and opening the same rows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
from starlette.types import ASGIApp, Message

from harness.world import World
from homeward.common import http, jose
from homeward.common.contracts import CaseOpened, Event, FieldClass, PersonRegistered
from homeward.common.ids import new_id
from homeward.common.keys import KeySet
from homeward.common.parts import Service
from homeward.common.sealing import Sealed
from homeward.exchange.app import create_service
from homeward.exchange.settings import Settings
from homeward.onebox.demo.partners import PARTNERS

from .ground import OUTBOX, Ground, Row, batches, connection, copy, reports, rows_of
from .pairs import Hop, Meter

PARTNER = PARTNERS[-1]
AGENCY = PARTNER["agency"]
PAGE = 100
_PAGE = """
    SELECT f.classes, e.event_id, e.value FROM feed f JOIN events e ON e.event_id = f.event_id
    WHERE f.agency = $1 AND f.seq > $2 ORDER BY f.seq LIMIT $3
"""


@asynccontextmanager
async def warm(ground: Ground) -> AsyncIterator[Hop]:
    """Whole pages; floor: one query, open with the keys in hand, one row committed, a page."""
    async with _hop(ground, f"feed page of {PAGE}", keys_warm=True) as hop:
        yield replace(hop, goal=0.5)


@asynccontextmanager
async def cold(ground: Ground) -> AsyncIterator[Hop]:
    """The same, and the keyring is asked for every page's keys."""
    async with _hop(ground, "  with keys cold", keys_warm=False) as hop:
        yield hop


@asynccontextmanager
async def _hop(ground: Ground, name: str, *, keys_warm: bool) -> AsyncIterator[Hop]:
    async with ground.world(f"reading_{'warm' if keys_warm else 'cold'}") as world, connection(world) as db:
        service = await world.start(create_service, Settings)
        await fill(world, service, ground.count(600, 150))
        subjects = {
            s
            for (i, v) in await db.fetch("SELECT event_id, value FROM events")
            for s in Sealed(i, v).subjects
        }
        keys = await world.keyring.class_keys(subjects, create=False)
        pages = await db.fetchval("SELECT last_seq FROM partners WHERE agency = $1", AGENCY) // PAGE

        async def clear() -> None:
            await db.execute("UPDATE partners SET read_seq = 0")
            await db.execute("TRUNCATE outbox RESTART IDENTITY")

        app = http.create_app(service)
        token = world.verifier.token("events:read", organisation=AGENCY, client_id=AGENCY)
        queries = [f"limit={PAGE}"]
        await clear()
        for _ in range(pages):
            page = json.loads(await _get(app, token, queries[-1]))
            assert len(page["events"]) == PAGE
            queries.append(f"cursor={page['cursor']}&limit={PAGE}")
        read = await rows_of(db, "outbox", OUTBOX, "position")

        async def ours(meter: Meter) -> None:
            await clear()
            service.parts.keyring.forget(subjects)
            await service.parts.keyring.class_keys(subjects, create=False)  # fresh, so warm to the end
            with meter:
                for query in queries[:pages]:
                    if not keys_warm:
                        service.parts.keyring.forget(subjects)
                    await _get(app, token, query)

        async def floor(meter: Meter) -> None:
            await clear()
            with meter:
                for number in range(pages):
                    await _read(db, number * PAGE, keys, read[number])

        yield Hop(name, "events", pages * PAGE, ours, floor)


async def _get(app: ASGIApp, token: str, query: str) -> bytes:
    """The body of an answer, asked for as a server asks the application. What a client does to ask and to
    take the answer is the partner's work, on the partner's machine."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"test"), (b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    return b"".join(message.get("body", b"") for message in sent)


async def fill(world: World, service: Service, count: int) -> None:
    """A feed of that many reports, their persons and their cases."""
    jwk = jose.public_jwk(jose.new_key())
    async with world.client(service, "partners:write") as operator:
        answer = await operator.post("/v1/partners", json={**PARTNER, "public_jwk": jwk})
        assert answer.status_code == 201, answer.text
    received = reports(count, world)
    registered = [PersonRegistered(person_id=new_id(), report_id=report.report_id) for report in received]
    opened = [
        CaseOpened(
            case_id=new_id(),
            person_id=person.person_id,
            case_status="Active",
            search_status="information_sought",
        )
        for person in registered
    ]
    events: list[Event] = [*received, *registered, *opened]
    for batch in batches(events, 300):
        await world.deliver(service, *batch)


async def _read(db: asyncpg.Connection, after: int, keys: KeySet, row: Row) -> None:
    for classes, event_id, value in await db.fetch(_PAGE, AGENCY, after, PAGE):
        Sealed(event_id, value).open(keys, frozenset(map(FieldClass, classes)))
    await copy(db, "outbox", OUTBOX, [row])
