"""Auditors read what was published, and each read is itself in the log."""

import json
from base64 import b64decode, b64encode
from typing import Any

import httpx
import pytest

from harness.world import World
from homeward.common.contracts import HistoryRead
from homeward.common.envelope import Envelope, Received
from homeward.common.parts import Service
from homeward.tlog.merkle import leaf_hash

from .following import entries, follow, registrations, report, sequence, verify


async def read(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    response = await client.get("/v1/audit/events", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def sequenced(world: World, service: Service) -> list[Received]:
    records = await world.records(report(), *registrations(3), report(full_name="王星"))
    await sequence(service, records)
    return records


async def test_records_come_as_published_with_their_leaf(world: World, service: Service) -> None:
    records = await sequenced(world, service)
    async with world.client(service, "audit:read") as client:
        leaves = await entries(client, 5)
        response = await client.get("/v1/audit/events")
        page = response.json()
    assert (page["size"], page["next_index"], len(page["events"])) == (5, 5, 5)
    for index, (record, event) in enumerate(zip(records, page["events"], strict=True)):
        assert event["index"] == index
        assert event["leaf_hash"] == b64encode(leaf_hash(leaves[index])).decode()
        assert event["attributes"] == {n[3:]: v.decode() for n, v in record.headers if n.startswith("ce_")}
        assert record.value in response.content
        assert event["value"] == json.loads(record.value)
        assert event["value"]["commitments"] == json.loads(leaves[index])["commitments"]
    assert "王星" not in response.text


async def test_pages_follow_one_another_and_filters_narrow(world: World, service: Service) -> None:
    records = await sequenced(world, service)
    async with world.client(service, "audit:read") as client:

        async def indices(**query: Any) -> list[int]:
            return [event["index"] for event in (await read(client, **query))["events"]]

        first = await read(client, limit=2)
        assert [event["index"] for event in first["events"]] == [0, 1]
        assert await indices(from_index=first["next_index"], limit=2) == [2, 3]
        assert await indices(from_index=4, limit=2) == [4]
        assert await indices(type="homeward.report.received.v1") == [0, 4]
        assert await indices(type="homeward.report.received.v1", from_index=1) == [4]
        assert await indices(source="/homeward/verification/0/1") == [1, 2, 3]
        assert await indices(event_id=str(Envelope.of(records[2]).id)) == [2]
        assert await indices(event_id=str(Envelope.of(records[2]).id), source="/homeward/intake/0/1") == []
        assert (await read(client, from_index=99))["next_index"] == 99


async def test_each_read_is_recorded_and_ends_in_the_log(world: World, service: Service) -> None:
    await sequenced(world, service)
    async with world.client(service, "audit:read", client_id="auditor-1") as client:
        await read(client, from_index=1, limit=2)
        await read(client, type="homeward.case.opened.v1", from_index=3)
        await world.relay(service)
        await follow(world, service)
        assert (await verify(client)).size == 7
        recorded = await read(client, type="homeward.history.read.v1")
    assert await world.said(service, HistoryRead) == [
        HistoryRead(reader="client:auditor-1", first=1, last=2),
        HistoryRead(reader="client:auditor-1", first=3, last=2),
        HistoryRead(reader="client:auditor-1", first=5, last=6),
    ]
    assert [event["attributes"]["actor"] for event in recorded["events"]] == ["client:auditor-1"] * 2
    assert [event["attributes"]["source"] for event in recorded["events"]] == ["/homeward/audit/0/1"] * 2


async def test_nothing_is_shown_that_cannot_be_recorded(world: World, service: Service) -> None:
    await sequenced(world, service)
    world.keyring.away = True
    async with world.client(service, "audit:read") as client:
        response = await client.get("/v1/audit/events")
    assert response.status_code == 503
    assert "leaf_hash" not in response.text
    world.keyring.away = False
    assert await world.said(service) == []


@pytest.mark.parametrize("path", ["events", "completeness"])
async def test_only_auditors_may(world: World, service: Service, path: str) -> None:
    async with world.client(service) as client:
        assert (await client.get(f"/v1/audit/{path}")).status_code == 401
    async with world.client(service, "operations", "events:read") as client:
        assert (await client.get(f"/v1/audit/{path}")).status_code == 403
    assert await world.said(service) == []


@pytest.mark.parametrize(
    "query",
    ["from_index=-1", "limit=0", "limit=1001", "type=%00", "source=x", "event_id=1", f"from_index={2**63}"],
)
async def test_queries_that_make_no_sense_are_refused(world: World, service: Service, query: str) -> None:
    async with world.client(service, "audit:read") as client:
        assert (await client.get(f"/v1/audit/events?{query}")).status_code == 422


async def test_leaf_hashes_lead_to_proofs(world: World, service: Service) -> None:
    await sequenced(world, service)
    async with world.client(service, "audit:read") as client:
        for event in (await read(client))["events"]:
            proof = (await client.get(f"/log/proof/inclusion?event_id={event['attributes']['id']}")).json()
            assert (proof["index"], proof["leaf_hash"]) == (event["index"], event["leaf_hash"])
            assert len(b64decode(event["leaf_hash"])) == 32
