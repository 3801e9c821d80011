"""The public log over HTTP, as C2SP tlog-tiles has it."""

from pathlib import Path

from harness.world import World
from homeward.audit.app import create_app
from homeward.audit.settings import Settings
from homeward.common.parts import Service
from homeward.tlog.checkpoint import open_checkpoint
from homeward.tlog.merkle import EMPTY_ROOT
from homeward.tlog.tiles import WIDTH, TileRef, bundle_prefix, width

from .following import entries, fetch, key_of, registrations, sequence, verify

SIZES = [1, 2, 255, 256, 257, 511, 512, 700]


async def grow(world: World, service: Service) -> None:
    records = await world.records(*registrations(SIZES[-1]))
    for start, end in zip([0, *SIZES], SIZES, strict=False):
        assert await sequence(service, records[start:end]) == end


async def test_an_empty_log_is_signed_too(world: World, service: Service) -> None:
    async with world.client(service) as client:
        response = await client.get("/log/checkpoint")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        checkpoint, _ = open_checkpoint(response.content, await key_of(client))
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (
            "homeward.example/log",
            0,
            EMPTY_ROOT,
        )
        assert (await verify(client)).size == 0
        assert (await client.get("/log/tile/0/000.p/1")).status_code == 404
        assert (await client.get("/log/tile/entries/000.p/1")).status_code == 404


async def test_the_log_verifies_at_every_size(world: World, service: Service) -> None:
    records = await world.records(*registrations(SIZES[-1]))
    async with world.client(service) as client:
        for start, end in zip([0, *SIZES], SIZES, strict=False):
            await sequence(service, records[start:end])
            assert (await verify(client)).size == end


async def test_every_tile_of_every_published_checkpoint_is_there(world: World, service: Service) -> None:
    await grow(world, service)
    async with world.client(service) as client:
        for size in SIZES:
            for level in (None, 0, 1):
                for index in range(3):
                    if wide := width(size, level or 0, index):
                        ref = TileRef(level, index, wide)
                        whole = await fetch(client, TileRef(level, index, width(700, level or 0, index)))
                        part = bundle_prefix(whole, wide) if level is None else whole[: wide * 32]
                        assert await fetch(client, ref) == part
        assert len(set(await entries(client, 700))) == 700


async def test_only_full_tiles_are_kept_for_ever(world: World, service: Service) -> None:
    await grow(world, service)
    async with world.client(service) as client:
        for path in ("0/000", "entries/001"):
            response = await client.get(f"/log/tile/{path}")
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
            response = await client.get(f"/log/tile/{path}.p/7")
            assert response.headers["cache-control"] == "public, max-age=3600"


NO_TILES = [
    "0/003", "0/002", "0/002.p/189", "0/002.p/0", "0/002.p/256", "0/000.p/257", "0/0", "0/0000", "00/000",
    "0/x000/000", "0/000/", "0/000.p/01", "1/000", "1/000.p/3", "2/000.p/1", "64/000", "63/000.p/1",
    "entries/002", "entries/002.p/189", "entries/3", "entries/000.p/256", "entries", "", "-1/000", "0/٠٠1",
    "0/x999/x999/999", "entries/x072/x057/x594/x037/x927/935", "entries/x999/x999/x999/x999/x999/999.p/1",
]  # fmt: skip


async def test_nothing_else_is_a_tile(world: World, service: Service) -> None:
    await grow(world, service)
    async with world.client(service) as client:
        for path in NO_TILES:
            response = await client.get(f"/log/tile/{path}")
            assert response.status_code == 404, path
            assert response.headers["content-type"] == "application/problem+json"


async def test_what_is_not_there_yet_is_not_cached(world: World, service: Service) -> None:
    async with world.client(service) as client:
        response = await client.get("/log/tile/0/000")
        assert response.headers["cache-control"] == "no-store"
        assert response.json()["type"] == "/problems/not-in-log"


async def test_the_origin_is_the_verifier_keys_name(database: str, key_file: Path) -> None:
    settings = Settings(
        database_url=database, broker_url=database, log_key_file=key_file, log_origin="log.example/cases"
    )
    app = create_app(settings)
    assert app.state.parts.own["signer"].verifier_key.name == "log.example/cases"
    assert {"/log/checkpoint", "/log/vkey", "/log/tile/{path}", "/v1/audit/events"} <= app.openapi()[
        "paths"
    ].keys()
    assert WIDTH == 256


async def test_what_is_lost_is_an_error_and_never_served_short(world: World, service: Service) -> None:
    await grow(world, service)
    await world.execute(service, "UPDATE tiles SET data = substr(data, 1, 32) WHERE (level, index) = (0, 1)")
    await world.execute(service, "DELETE FROM entries WHERE index = 300")
    async with world.client(service) as client:
        for path in ("0/001", "entries/001", "entries/001.p/45"):
            assert (await client.get(f"/log/tile/{path}")).status_code == 500
        assert (await client.get("/log/tile/entries/001.p/44")).status_code == 200
