"""Sequencing on a real database: once, in one history, whole batches or nothing."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.world import World
from homeward.audit.app import create_service
from homeward.audit.settings import Settings
from homeward.common.contracts import SubjectErased
from homeward.common.db import is_transient
from homeward.common.envelope import Record
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.tlog.checkpoint import open_checkpoint
from homeward.tlog.merkle import leaf_hash, root_from_leaf_hashes

from .following import (
    entries,
    follow,
    key_of,
    registrations,
    report,
    rows,
    running,
    sequence,
    until,
    until_caught_up,
    verify,
)


async def test_every_topic_ends_in_the_log(world: World, service: Service) -> None:
    erased = SubjectErased(erasure_id=new_id(), subjects=("x",), erased_at=world.now)
    await world.publish(report(), *registrations(3), erased, report())
    await follow(world, service)
    async with world.client(service) as client:
        assert (await verify(client)).size == 6
    kept = await world.execute(
        service, "SELECT source, array_agg(sequence ORDER BY sequence) FROM records GROUP BY 1"
    )
    assert dict(map(tuple, kept)) == {
        "/homeward/intake/0/1": [1, 2],
        "/homeward/verification/0/1": [1, 2, 3],
        "/homeward/keyring/0/1": [1],
    }


async def test_what_comes_again_is_sequenced_once(world: World, service: Service) -> None:
    records = await world.records(*registrations(300))
    assert await sequence(service, records[:200]) == 200
    assert await sequence(service, records[:200]) == 200
    assert await sequence(service, records[100:] + records) == 300
    again = [Record(r.topic, r.key, r.headers, r.value) for r in records]
    await world.broker.ensure_topics([records[0].topic])
    await world.broker.publish(again)  # as a relay does after a crash
    await follow(world, service)
    async with world.client(service) as client:
        assert (await verify(client)).size == 300
    assert (await rows(world, service))["checkpoints"] == 2


async def test_a_restarted_audit_goes_on(world: World, service: Service, key_file: Path) -> None:
    await world.publish(*registrations(5))
    await follow(world, service)
    await world.publish(*registrations(5))
    restarted = await world.start(create_service, Settings, log_key_file=key_file)
    await follow(world, restarted)
    async with world.client(restarted) as client:
        assert (await verify(client)).size == 10


async def test_sequencers_at_once_make_one_history(world: World, service: Service, key_file: Path) -> None:
    other = await world.start(create_service, Settings, log_key_file=key_file)
    records = await world.records(*registrations(240))
    batches = [records[at : at + 20] for at in range(0, 240, 20)]
    # Each batch twice, by different processes, in opposite orders.
    await asyncio.gather(
        *(sequence(service, batch) for batch in batches),
        *(sequence(other, batch) for batch in reversed(batches)),
    )
    async with world.client(service) as client:
        assert (await verify(client)).size == 240
        leaves, key = await entries(client, 240), await key_of(client)
    assert len(set(leaves)) == 240
    for (note,) in await world.execute(service, "SELECT note FROM checkpoints"):
        signed, _ = open_checkpoint(note, key)
        assert signed.root == root_from_leaf_hashes(map(leaf_hash, leaves[: signed.size]))
    assert (await rows(world, service))["records"] == 240


async def test_replicas_that_follow_at_once_make_one_history(
    world: World, service: Service, key_file: Path
) -> None:
    other = await world.start(create_service, Settings, log_key_file=key_file)
    async with running(service), running(other):
        for _ in range(5):
            await world.publish(*registrations(30))
        await until_caught_up(world)
    async with world.client(other) as client:
        assert (await verify(client)).size == 150


async def test_a_batch_cut_off_in_the_middle_leaves_nothing(world: World, service: Service) -> None:
    records = await world.records(*registrations(400))
    await sequence(service, records[:100])
    before = await rows(world, service)
    async with service.parts.engine.begin() as db:
        # The batch waits here with its entries, records and tiles written, then its connection is cut.
        await db.execute(sa.text("LOCK TABLE checkpoints IN SHARE MODE"))
        batch = asyncio.create_task(sequence(service, records[100:]))
        await cut_off_the_waiting(world, service)
        with pytest.raises(sa.exc.DBAPIError) as error:
            await batch
        assert is_transient(error.value)
    assert await rows(world, service) == before
    async with world.client(service) as client:
        assert (await verify(client)).size == 100
        assert await sequence(service, records) == 400
        assert (await verify(client)).size == 400


async def test_what_passes_by_itself_is_waited_for(world: World, service: Service) -> None:
    await world.publish(*registrations(50))
    async with running(service) as sequencer:
        async with service.parts.engine.begin() as db:
            await db.execute(sa.text("LOCK TABLE checkpoints IN SHARE MODE"))
            for _ in range(3):
                await cut_off_the_waiting(world, service)
        await until_caught_up(world)
        assert await sequencer.ready() is None
    async with world.client(service) as client:
        assert (await verify(client)).size == 50


async def cut_off_the_waiting(world: World, service: Service) -> None:
    """End the connection that waits for a lock on the checkpoints, as soon as there is one."""
    waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'checkpoints'::regclass"
    found = await until(lambda: world.execute(service, waiting))
    await world.execute(service, "SELECT pg_terminate_backend(:pid)", pid=found[0][0])


async def test_a_batch_takes_the_same_few_statements_whatever_its_size(
    world: World, service: Service
) -> None:
    statements: list[str] = []

    def count(_c: object, _u: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(service.parts.engine.sync_engine, "before_cursor_execute", count)
    records = await world.records(*registrations(700))
    await sequence(service, records[:1])
    one = len(statements)
    await sequence(service, records[1:])
    assert len(statements) - one <= one + 1  # the very first batch has no tiles to read
    assert one < 10
