"""At what the log stands still, how it says so, and that it goes on when that is gone."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from harness.world import World
from homeward.audit.app import create_service
from homeward.audit.configure import write_log_key
from homeward.audit.domain import Contradiction
from homeward.audit.sequencer import LogBroken
from homeward.audit.settings import Settings
from homeward.common import http
from homeward.common.broker import lag
from homeward.common.envelope import Record
from homeward.common.parts import Service

from .following import (
    registrations,
    rows,
    running,
    sequence,
    until,
    until_caught_up,
    verify,
)


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


async def test_what_nobody_foresaw_stops_the_log_and_not_the_process(world: World, service: Service) -> None:
    await world.publish(*registrations(2))
    await world.execute(service, "ALTER TABLE records RENAME TO elsewhere")
    async with running(service) as sequencer:
        assert "ProgrammingError at " in str(await until(sequencer.ready))
        await world.execute(service, "ALTER TABLE elsewhere RENAME TO records")
        await until_caught_up(world)
        assert await sequencer.ready() is None
