"""What Kafka alone has: members that share partitions, topics kept for ever, a cluster that goes away."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from harness.kafka import Kafka
from homeward.common.broker import Broker, BrokerUnavailable, open_broker
from homeward.common.broker.kafka import stop_consumer
from homeward.common.envelope import Received

from .carrying import every_method, fresh, new_topic, numbered, numbers, take
from .noting import running, until


@pytest.fixture
async def broker(kafka: Kafka) -> AsyncIterator[Broker]:
    broker = open_broker(f"kafka://{kafka.bootstrap}", partitions=4)
    yield broker
    await broker.close()


class Member:
    """Reads and commits in the background, and joins anew after trouble, as a consumer does."""

    def __init__(self, broker: Broker, group: str, topic: str) -> None:
        self.read: list[Received] = []
        self._broker = broker
        self._group = group
        self._topic = topic

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with self._broker.subscribe(self._group, [self._topic]) as subscription:
                    while not stop.is_set():
                        records = await subscription.poll(100, 0.2)
                        self.read += records
                        await subscription.commit(records)
            except BrokerUnavailable:
                await asyncio.sleep(0.2)


async def test_members_share_partitions_and_one_takes_all_when_the_other_leaves(broker: Broker) -> None:
    topic, group = await new_topic(broker), fresh("group")
    one, other = Member(broker, group, topic), Member(broker, group, topic)
    async with running(one.run):
        async with running(other.run):
            start = await publish_until_both_read(broker, topic, one, other)
            await broker.publish(numbered(topic, 200, keys=40, start=start))
            await until(lambda: at_least(200, one, other))
            assert numbers(one.read + other.read) == list(range(start, start + 200))
            assert not {r.partition for r in one.read} & {r.partition for r in other.read}
        one.read.clear()
        await broker.publish(numbered(topic, 100, keys=40, start=start + 200))
        await until(lambda: at_least(100, one), limit=10)
    assert numbers(one.read) == list(range(start + 200, start + 300))


async def at_least(count: int, *members: Member) -> bool:
    return sum(len(member.read) for member in members) >= count


async def publish_until_both_read(broker: Broker, topic: str, one: Member, other: Member) -> int:
    """Until the group has settled: both members read, and nothing comes twice. The next number."""
    start = 0
    while True:
        one.read.clear()
        other.read.clear()
        batch = set(range(start, start + 40))
        await broker.publish(numbered(topic, 40, keys=40, start=start))

        async def all_read(batch: set[int] = batch) -> bool:
            return batch <= set(numbers(one.read + other.read))

        await until(all_read)
        start += 40
        settled = bool(one.read and other.read) and await at_least(40, one, other)
        if settled and len(one.read) + len(other.read) == 40:
            one.read.clear()
            other.read.clear()
            return start


async def test_topics_keep_everything_for_ever(broker: Broker, kafka: Kafka) -> None:
    topic = await new_topic(broker)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    await admin.close()
    [(_, _, _, _, settings)] = answer.resources
    found = {setting[0]: setting[1] for setting in settings}
    assert found["retention.ms"] == found["retention.bytes"] == "-1"
    assert found["cleanup.policy"] == "delete"


async def test_a_broker_that_was_away_serves_again(broker: Broker, kafka: Kafka) -> None:
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 10))
    warm = every_method(broker, topic)
    for call in warm.values():
        await call()
    member = Member(broker, group, topic)

    async def read_all() -> bool:
        return set(range(20)) <= set(numbers(member.read))

    async with running(member.run):
        kafka.kill()
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(call() for call in warm.values()), return_exceptions=True)
        assert {name: type(answer) for name, answer in zip(warm, answers, strict=True)} == dict.fromkeys(
            warm, BrokerUnavailable
        )
        await asyncio.to_thread(kafka.restart)
        for call in warm.values():
            await call()
        await broker.publish(numbered(topic, 10, start=10))
        await until(read_all)


async def test_a_publisher_stopped_in_the_middle_leaves_no_trace(broker: Broker) -> None:
    topic = await new_topic(broker)
    publishing = asyncio.ensure_future(broker.publish(numbered(topic, 1_000)))
    await asyncio.sleep(0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    await broker.publish(numbered(topic, 1_000))
    async with broker.subscribe(fresh("group"), [topic]) as subscription:
        read = await take(subscription, 1_000)
    assert set(numbers(read)) == set(range(1_000))


class Interrupted:
    """A consumer that lets the end of its own fetching out, or that waits to be cancelled."""

    def __init__(self, *, waits: bool) -> None:
        self._client = self
        self._waits = waits
        self.closed = False

    async def stop(self) -> None:
        if self._waits:
            await asyncio.sleep(60)
        raise asyncio.CancelledError

    async def close(self) -> None:
        self.closed = True


async def test_the_end_of_a_consumers_own_fetching_is_not_ours() -> None:
    consumer = Interrupted(waits=False)
    await stop_consumer(cast(AIOKafkaConsumer, consumer))
    assert consumer.closed
    stopping = asyncio.ensure_future(stop_consumer(cast(AIOKafkaConsumer, Interrupted(waits=True))))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
