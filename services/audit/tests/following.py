"""How tests make events, have them sequenced, and read the log as the world does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import httpx

from harness.world import World
from homeward.audit.domain import TOPICS, entries_of
from homeward.audit.sequencer import Sequencer
from homeward.common.broker import lag
from homeward.common.contracts import Event, PersonRegistered, ReportReceived
from homeward.common.envelope import Received
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.tlog.note import VerifierKey
from homeward.tlog.tiles import WIDTH, TileRef, decode_bundle
from homeward.tlog.verify import VerifiedLog, verify_log

T = TypeVar("T")


def report(**said: object) -> ReportReceived:
    """A report of somebody made up."""
    return ReportReceived.model_validate(
        {
            "report_id": new_id(),
            "reporter_id": new_id(),
            "kind": "missing",
            "received_at": datetime(2025, 1, 7, 9, 0, tzinfo=UTC),
            "channel": "list",
            "full_name": "Nobody Inparticular",
            "narrative": "Told of a job in Bangkok; last call on 3 January.",
            **said,
        }
    )


def registrations(count: int) -> list[Event]:
    """Small events of verification."""
    return [PersonRegistered(person_id=new_id(), report_id=new_id()) for _ in range(count)]


def sequencer_of(service: Service) -> Sequencer:
    """A further sequencer of the service, as another process would have."""
    return Sequencer(service.parts, service.parts.own["signer"])


async def sequence(service: Service, records: Sequence[Received]) -> int:
    """Sequence ``records`` as one batch, past the broker; the log's size."""
    entries, unreadable = entries_of(records)
    assert unreadable is None
    return await sequencer_of(service).sequence(entries)


async def rows(world: World, service: Service) -> dict[str, int]:
    """How many rows audit's own tables have."""
    tables = ("entries", "records", "tiles", "checkpoints")
    return {t: (await world.execute(service, f"SELECT count(*) FROM {t}"))[0][0] for t in tables}


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Sequencer]:
    """A sequencer that follows the topics meanwhile."""
    sequencer, stop = sequencer_of(service), asyncio.Event()
    following = asyncio.create_task(sequencer.run(stop))
    try:
        yield sequencer
    finally:
        stop.set()
        await asyncio.wait_for(following, 20)


async def follow(world: World, service: Service) -> None:
    """Have all that is published sequenced."""
    async with running(service):
        await until_caught_up(world)


async def until(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the answer is something; the answer."""
    async with asyncio.timeout(60):
        while not (answer := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return answer


async def until_caught_up(world: World) -> None:
    """Wait until everything published is committed as sequenced."""

    async def caught_up() -> bool:
        return not await lag(world.broker, "audit", TOPICS)

    await until(caught_up)


async def key_of(client: httpx.AsyncClient) -> VerifierKey:
    """The log's verifier key."""
    return VerifierKey.parse((await client.get("/log/vkey")).text.removesuffix("\n"))


async def fetch(client: httpx.AsyncClient, ref: TileRef) -> bytes:
    """A tile or bundle that must be there."""
    response = await client.get(f"/log/{ref.path}")
    assert response.status_code == 200, ref.path
    assert response.headers["content-type"] == "application/octet-stream"
    return response.content


async def entries(client: httpx.AsyncClient, size: int) -> list[bytes]:
    """The first ``size`` entries, from full bundles and one partial one."""
    found: list[bytes] = []
    while len(found) < size:
        index = len(found) // WIDTH
        found += decode_bundle(await fetch(client, TileRef(None, index, min(WIDTH, size - index * WIDTH))))
    return found


async def verify(client: httpx.AsyncClient) -> VerifiedLog:
    """Verify the whole log against its newest checkpoint and the tiles of level 0, over HTTP alone."""
    note = (await client.get("/log/checkpoint")).content
    size = int(note.split(b"\n")[1])
    refs = [TileRef(0, index, min(WIDTH, size - index * WIDTH)) for index in range(-(-size // WIDTH))]
    tiles = {ref.index: await fetch(client, ref) for ref in refs}
    leaves = await entries(client, size)
    return verify_log(note, await key_of(client), leaves, lambda level, index: tiles[index])
