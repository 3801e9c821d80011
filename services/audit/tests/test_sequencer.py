"""Sequencing on a real database: once, in one history, whole batches or nothing."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.world import World
from homeward.audit.app import create_service
from homeward.audit.configure import write_log_key
from homeward.audit.domain import Contradiction
from homeward.audit.sequencer import LogBroken
from homeward.audit.settings import Settings
from homeward.common import http
from homeward.common.broker import lag
from homeward.common.contracts import SubjectErased
from homeward.common.db import is_transient
from homeward.common.envelope import Record
from homeward.common.ids import new_id
from homeward.common.parts import Service

from .following import (
    entries,
    follow,
    registrations,
    report,
    running,
    sequence,
    until,
    until_caught_up,
    verify,
)

TABLES = ("entries", "records", "tiles", "checkpoints")


async def rows(world: World, service: Service) -> dict[str, int]:
    return {t: (await world.execute(service, f"SELECT count(*) FROM {t}"))[0][0] for t in TABLES}


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
        assert len(set(await entries(client, 240))) == 240
    assert (await rows(world, service))["records"] == 240


async def test_two_running_replicas_share_the_work(world: World, service: Service, key_file: Path) -> None:
    other = await world.start(create_service, Settings, log_key_file=key_file)
    async with running(service), running(other):
        await world.broker.ensure_topics(["homeward.verification.v1"])
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


async def test_a_record_that_cannot_be_read_stops_the_log_loudly(
    world: World, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    good = await world.records(*registrations(6))
    poison = replace(good[3], value=b"Xing Wang")
    one_stream = [Record(r.topic, b"k", r.headers, r.value) for r in (*good[:3], poison, *good[4:])]
    await world.broker.ensure_topics([poison.topic])
    await world.broker.publish(one_stream)
    async with running(service) as sequencer:
        reason = await until(sequencer.ready)
        standing = replace(service, ready=sequencer.ready)
        assert await http.not_ready(standing) == [reason]
    assert reason is not None
    assert "homeward.verification.v1/" in reason
    assert "at offset 3: value is not JSON" in reason
    assert reason in [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert "Xing" not in caplog.text
    async with world.client(service) as client:
        assert (await verify(client)).size == 3  # what came before it is kept
    assert await lag(world.broker, "audit", [poison.topic]) == 3


async def test_the_log_goes_on_when_what_stopped_it_is_gone(world: World, service: Service) -> None:
    ids = await world.publish(*registrations(4))
    await world.execute(service, "UPDATE log_records SET value = value || 'x' WHERE \"offset\" = 0")
    async with running(service) as sequencer:
        await until(sequencer.ready)
        await world.execute(
            service, 'UPDATE log_records SET value = substr(value, 1, length(value) - 1) WHERE "offset" = 0'
        )
        await until_caught_up(world)
        assert await sequencer.ready() is None
    kept = await world.execute(service, "SELECT event_id FROM records")
    assert {row[0] for row in kept} == set(ids)


async def test_a_second_history_stops_the_log(world: World, service: Service) -> None:
    first, second = await world.records(*registrations(2))
    await sequence(service, [first])
    headers = tuple((n, b"%020d" % 1 if n == "ce_sequence" else v) for n, v in second.headers)
    with pytest.raises(Contradiction, match=r"/homeward/verification/0/1 no\. 1"):
        await sequence(service, [replace(second, headers=headers)])
    assert (await rows(world, service))["records"] == 1
    assert await sequence(service, [second]) == 2


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE tiles SET data = overlay(data PLACING '\\x00' FROM 40)", "root"),
        ("UPDATE tiles SET data = substr(data, 1, 32)", "root"),
        ("DELETE FROM tiles", "root"),
        ("UPDATE checkpoints SET note = overlay(note PLACING 'x' FROM 1)", "this origin"),
        ("DELETE FROM checkpoints", "beyond"),
    ],
)
async def test_a_log_that_is_not_what_it_signed_stands_still(
    world: World, service: Service, sql: str, reason: str
) -> None:
    records = await world.records(*registrations(6))
    await sequence(service, records[:5])
    await world.execute(service, sql)
    before = await rows(world, service)
    with pytest.raises(LogBroken, match=reason):
        await sequence(service, records[5:])
    assert await rows(world, service) == before


async def test_another_key_does_not_continue_a_log(world: World, service: Service, tmp_path: Path) -> None:
    records = await world.records(*registrations(2))
    await sequence(service, records[:1])
    write_log_key(tmp_path / "other.key")
    for change in ({"log_key_file": tmp_path / "other.key"}, {"log_origin": "other.example/log"}):
        known = {"log_key_file": tmp_path / "log.key"} | change
        other = await world.start(create_service, Settings, **known)
        with pytest.raises(LogBroken, match="signed by this key"):
            await sequence(other, records[1:])


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
