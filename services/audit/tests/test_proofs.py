"""Proofs over HTTP, checked by code that knows only the log's key."""

from base64 import b64decode
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx

from harness.world import World
from homeward.common.envelope import Envelope
from homeward.common.parts import Service
from homeward.tlog.checkpoint import Checkpoint, open_checkpoint
from homeward.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion

from .following import entries, key_of, registrations, report, sequence

SIZES = [3, 4, 130, 256, 300]


async def grow(world: World, service: Service) -> list[Envelope]:
    records = await world.records(report(), *registrations(SIZES[-1] - 1))
    for start, end in pairwise([0, *SIZES]):
        await sequence(service, records[start:end])
    return [Envelope.of(record) for record in records]


async def included(client: httpx.AsyncClient, **query: Any) -> tuple[int, Checkpoint, bytes]:
    """Ask for an inclusion proof and verify it; index, checkpoint and entry."""
    response = await client.get("/log/proof/inclusion", params=query)
    assert response.status_code == 200, response.text
    shown = response.json()
    checkpoint, _ = open_checkpoint(shown["checkpoint"].encode(), await key_of(client))
    assert checkpoint.size == shown["size"]
    leaf = b64decode(shown["leaf"])
    assert leaf_hash(leaf) == b64decode(shown["leaf_hash"])
    proof = [b64decode(sibling) for sibling in shown["proof"]]
    verify_inclusion(leaf_hash(leaf), shown["index"], checkpoint.size, proof, checkpoint.root)
    return shown["index"], checkpoint, leaf


async def test_every_entry_is_proven_at_every_published_size(world: World, service: Service) -> None:
    await grow(world, service)
    async with world.client(service) as client:
        leaves = await entries(client, SIZES[-1])
        for size in SIZES:
            for index in range(0, size, 1 if size in (4, 300) else 7):
                assert (await included(client, index=index, size=size))[2] == leaves[index]


async def test_a_submitter_proves_an_event_by_its_id(world: World, service: Service) -> None:
    envelopes = await grow(world, service)
    async with world.client(service) as client:
        for index in (0, 2, 3, 255, 299):
            found, checkpoint, leaf = await included(client, event_id=str(envelopes[index].id))
            assert (found, checkpoint.size) == (index, 300)
            assert f'"sequence":{envelopes[index].sequence},' in leaf.decode()


async def test_published_checkpoints_are_consistent(world: World, service: Service) -> None:
    await grow(world, service)
    async with world.client(service) as client:
        roots = {size: (await included(client, index=0, size=size))[1].root for size in SIZES}
        for earlier in SIZES:
            for later in [size for size in SIZES if size >= earlier]:
                response = await client.get("/log/proof/consistency", params={"from": earlier, "to": later})
                shown = response.json()
                assert (shown["from"], shown["to"]) == (earlier, later)
                checkpoint, _ = open_checkpoint(shown["checkpoint"].encode(), await key_of(client))
                assert checkpoint.root == roots[later]
                proof = [b64decode(sibling) for sibling in shown["proof"]]
                verify_consistency(earlier, roots[earlier], later, roots[later], proof)
        newest = (await client.get("/log/proof/consistency", params={"from": 4})).json()
        assert newest["to"] == 300
        assert (await client.get("/log/proof/consistency", params={"from": 0})).json()["proof"] == []


NO_PROOFS = {
    404: [
        "inclusion?index=300",
        "inclusion?index=4&size=4",
        "inclusion?index=0&size=5",
        "inclusion?index=0&size=0",
        f"inclusion?event_id={uuid4()}",
        "consistency?from=1&to=5",
        "consistency?from=1&to=301",
    ],
    422: [
        f"inclusion?index=1&event_id={uuid4()}",
        "inclusion",
        "inclusion?index=-1",
        f"inclusion?index={2**63}",
        "inclusion?event_id=Xing",
        "consistency",
        "consistency?from=301",
        "consistency?from=5&to=4",
    ],
}


async def test_what_cannot_be_proven_is_a_problem(world: World, service: Service) -> None:
    await grow(world, service)
    async with world.client(service) as client:
        for status, paths in NO_PROOFS.items():
            for path in paths:
                response = await client.get(f"/log/proof/{path}")
                assert response.status_code == status, path
                assert response.headers["content-type"] == "application/problem+json"
                assert "Xing" not in response.text


async def test_the_empty_log_proves_nothing(world: World, service: Service) -> None:
    async with world.client(service) as client:
        assert (await client.get("/log/proof/inclusion?index=0")).status_code == 404
        assert (await client.get("/log/proof/consistency?from=0")).json()["to"] == 0
