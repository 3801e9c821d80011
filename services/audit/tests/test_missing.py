"""Completeness as auditors ask for it: gaps, lost epochs, and what still waits."""

from dataclasses import replace
from typing import Any

from harness.world import World
from homeward.common.envelope import Record
from homeward.common.parts import Service

from .following import follow, registrations, report, sequence


async def completeness(world: World, service: Service) -> dict[str, Any]:
    async with world.client(service, "audit:read") as client:
        response = await client.get("/v1/audit/completeness")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_an_empty_log_lacks_nothing(world: World, service: Service) -> None:
    found = await completeness(world, service)
    assert (found["size"], found["complete"], found["settled"]) == (0, True, True)
    assert [topic["topic"] for topic in found["topics"]] == [
        f"homeward.{name}.v1"
        for name in ("intake", "verification", "referral", "exchange", "keyring", "audit")
    ]


async def test_all_that_was_published_is_there(world: World, service: Service) -> None:
    await world.publish(report(), *registrations(20))
    waiting = await completeness(world, service)
    assert not waiting["settled"]
    assert {t["topic"]: t["lag"] for t in waiting["topics"] if t["lag"]} == {
        "homeward.intake.v1": 1,
        "homeward.verification.v1": 20,
    }
    await follow(world, service)
    found = await completeness(world, service)
    assert (found["size"], found["complete"], found["settled"]) == (21, True, True)
    nothing = {"missing": 0, "gaps": [], "more_gaps": False}
    assert found["sources"] == [
        {"source": "/homeward/intake/0/1", "first": 1, "last": 1, "count": 1} | nothing,
        {"source": "/homeward/verification/0/1", "first": 1, "last": 20, "count": 20} | nothing,
    ]
    assert {t["topic"]: (t["end"], t["committed"]) for t in found["topics"]}["homeward.verification.v1"] == (
        20,
        20,
    )


async def test_what_was_left_out_is_named(world: World, service: Service) -> None:
    records = await world.records(*registrations(30))
    published = [*records[2:9], *records[12:13], *records[20:]]
    await world.broker.ensure_topics([records[0].topic])
    await world.broker.publish([Record(r.topic, r.key, r.headers, r.value) for r in published])
    await follow(world, service)
    found = await completeness(world, service)
    assert (found["complete"], found["settled"]) == (False, True)
    (source,) = found["sources"]
    assert (source["first"], source["last"], source["count"], source["missing"]) == (3, 30, 18, 12)
    assert source["gaps"] == [{"first": 1, "last": 2}, {"first": 10, "last": 12}, {"first": 14, "last": 20}]
    assert not source["more_gaps"]


async def test_only_so_many_gaps_are_listed_but_all_are_counted(world: World, service: Service) -> None:
    records = await world.records(*registrations(500))
    await sequence(service, records[1::2])
    (source,) = (await completeness(world, service))["sources"]
    assert (source["count"], source["missing"], source["more_gaps"]) == (250, 250, True)
    assert source["gaps"] == [{"first": n, "last": n} for n in range(1, 200, 2)]


async def test_a_whole_epoch_left_out_is_named(world: World, service: Service) -> None:
    (record,) = await world.records(*registrations(1))
    headers = tuple((n, v[:-1] + b"3" if n == "ce_source" else v) for n, v in record.headers)
    await sequence(service, [replace(record, headers=headers)])
    found = await completeness(world, service)
    assert not found["complete"]
    assert found["missing_sources"] == ["/homeward/verification/0/1", "/homeward/verification/0/2"]
