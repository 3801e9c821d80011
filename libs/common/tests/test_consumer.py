"""A batch of records becomes its effects, all of them once, in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import sqlalchemy as sa

from harness.world import World
from homeward.common.broker import Broker, BrokerUnavailable, Subscription
from homeward.common.consumer import Consumer
from homeward.common.contracts import FieldClass, PersonRegistered, ReportReceived, SubjectErased
from homeward.common.envelope import Received, topic_of
from homeward.common.ids import new_id
from homeward.common.keys import Erased
from homeward.common.parts import Service
from homeward.common.tx import Incoming, Tx

from .consuming import consuming
from .noting import NoteTaken, Settings, create_service, handling, names, report


async def test_a_batch_is_one_transaction_and_one_of_everything(world: World, service: Service) -> None:
    statements: list[str] = []
    commits: list[object] = []
    engine = service.parts.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, *_: statements.append(sql))
    sa.event.listen(engine, "commit", commits.append)
    calls: list[tuple[str, int]] = []

    async def prepare(batch: Sequence[Incoming], tx: Tx) -> None:
        calls.append(("prepare", len(batch)))
        tx.scratch["first"] = batch[0].event

    async def finish(tx: Tx) -> None:
        assert tx.incoming is None
        calls.append(("finish", tx.scratch["handled"]))

    async def on_report(event: ReportReceived, tx: Tx) -> None:
        assert tx.incoming is not None
        assert tx.incoming.event is event
        assert isinstance(tx.scratch["first"], ReportReceived)
        tx.scratch["handled"] = tx.scratch.get("handled", 0) + 1
        tx.emit(NoteTaken(report_id=event.report_id))

    records = await world.records(*(report(f"{n}") for n in range(200)))
    world.keyring.asked.clear()
    await world.handle(handling(service, on_report, prepare=prepare, finish=finish), records)
    assert calls == [("prepare", 200), ("finish", 200)]
    assert len(commits) == 1
    assert len([sql for sql in statements if "INSERT INTO inbox " in sql]) == 1
    assert len(await world.execute(service, "SELECT DISTINCT xmin::text, cmin::text FROM outbox")) == 1
    assert len(world.keyring.asked) == 1  # for what came; what is said of the same reports has them
    assert await world.execute(service, "SELECT count(*) FROM outbox") == [(200,)]


async def test_records_are_handled_in_order(world: World, service: Service) -> None:
    stream = new_id()
    await world.publish(*(report(f"{n}", report_id=stream) for n in range(100)))
    async with consuming(world, service, batch=7):
        pass
    assert await names(world, service) == [f"{n}" for n in range(100)]


async def test_what_comes_again_is_handled_once(world: World, service: Service) -> None:
    records = await world.records(*(report(f"{n}") for n in range(10)))
    await world.handle(service, records[:5] + records[2:5])
    await world.handle(service, records[3:] + records)
    await world.handle(service, records)
    assert await names(world, service) == [f"{n}" for n in range(10)]


async def test_two_members_given_the_same_records_handle_them_once(world: World, service: Service) -> None:
    """As after a rebalance, when the one before is still at it."""
    other = await world.start(create_service, Settings)
    records = await world.records(*(report(f"{n}") for n in range(50)))
    await asyncio.gather(
        world.handle(service, records),
        world.handle(other, list(reversed(records))),
        world.handle(other, records[10:30]),
    )
    assert sorted(map(int, filter(None, await names(world, service)))) == list(range(50))


class Forgetful:
    """A broker that takes no commit of offsets the first time, as if the process had died before it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[str]) -> AsyncIterator[Subscription]:
        async with self._broker.subscribe(group, topics) as subscription:
            commit = subscription.commit

            async def fail_once(records: Sequence[Received]) -> None:
                if not self.failures:
                    self.failures += 1
                    raise BrokerUnavailable("the test says so")
                await commit(records)

            subscription.commit = fail_once  # type: ignore[method-assign]
            yield subscription


async def test_a_crash_between_the_two_commits_repeats_nothing(world: World, service: Service) -> None:
    forgetful = Forgetful(world.broker)
    crashing = replace(service, parts=replace(service.parts, broker=cast(Broker, forgetful)))
    await world.publish(*(report(f"{n}") for n in range(20)))
    async with consuming(world, crashing):
        pass
    assert forgetful.failures == 1
    assert sorted(map(int, filter(None, await names(world, service)))) == list(range(20))


async def test_types_nobody_asked_for_are_passed_over(world: World, service: Service) -> None:
    await world.publish(report("one"), NoteTaken(report_id=new_id()))
    registered = PersonRegistered(person_id=new_id(), report_id=new_id())
    records = [*await world.records(registered), *await world.records(report("two"))]
    await world.handle(service, records)
    assert await names(world, service) == ["two"]
    assert await world.execute(service, "SELECT count(*) FROM inbox") == [(1,)]


async def test_a_service_sees_only_the_classes_it_is_entitled_to(world: World) -> None:
    limited = await world.start(create_service, Settings, classes={FieldClass.ENVELOPE, FieldClass.NARRATIVE})
    seen: list[ReportReceived] = []

    async def on_report(event: ReportReceived, tx: Tx) -> None:
        assert tx.incoming is not None
        assert not tx.incoming.erased
        seen.append(event)

    await world.handle(handling(limited, on_report), await world.records(report("Zoë Lin", narrative="said")))
    assert [(event.full_name, event.narrative) for event in seen] == [(None, "said")]


async def test_an_event_of_an_erased_subject_is_marked(world: World, service: Service) -> None:
    seen: list[tuple[str | None, bool]] = []

    async def on_report(event: ReportReceived, tx: Tx) -> None:
        assert tx.incoming is not None
        seen.append((event.full_name, tx.incoming.erased))

    erased, other = report("Zoë Lin"), report("Somebody")
    records = await world.records(erased, other)
    await world.keyring.erase([str(erased.report_id)], person_id=str(new_id()), actor="client:x")
    await world.handle(handling(service, on_report), records)
    assert seen == [(None, True), ("Somebody", False)]


async def test_at_an_erasure_the_keys_are_forgotten_at_once(world: World, service: Service) -> None:
    event = report("Zoë Lin")
    subject = str(event.report_id)
    await world.deliver(service, event)
    assert subject in await service.parts.keyring.class_keys([subject], create=False)
    await world.keyring.erase([subject], person_id=str(new_id()), actor="client:x")
    assert not isinstance((await service.parts.keyring.class_keys([subject], create=False))[subject], Erased)
    [erasure] = world.keyring.announced
    assert isinstance(erasure, SubjectErased)
    await world.announce_erasures(service)
    assert isinstance((await service.parts.keyring.class_keys([subject], create=False))[subject], Erased)


async def test_an_event_said_by_a_handler_names_the_service_and_the_moment(
    world: World, service: Service
) -> None:
    await world.deliver(service, report())
    [row] = await world.execute(service, "SELECT actor, time, type FROM outbox")
    assert tuple(row) == ("service:tiny", world.now, NoteTaken.TYPE)


async def test_a_consumer_stops_soon_when_asked(world: World, service: Service) -> None:
    stop = asyncio.Event()
    consumer = asyncio.ensure_future(Consumer(service).run(stop))
    await world.broker.ensure_topics([topic_of("intake")])
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(consumer, 3)
