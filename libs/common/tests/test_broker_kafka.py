"""What Kafka alone has: members that share partitions, topics kept for ever, a cluster that goes away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from harness.kafka import Kafka
from harness.ports import free_port
from homeward.common.broker import Broker, BrokerUnavailable, Subscription, TopicPartition, open_broker
from homeward.common.envelope import Received

from .carrying import fresh, new_topic, numbered, numbers, read_as, record, take
from .noting import LIMIT


@pytest.fixture
async def broker(kafka: Kafka) -> AsyncIterator[Broker]:
    broker = open_broker(f"kafka://{kafka.bootstrap}", partitions=4)
    yield broker
    await broker.close()


class Member:
    """Reads and commits in the background, as a consumer does."""

    def __init__(self, subscription: Subscription) -> None:
        self.read: list[Received] = []
        self._subscription = subscription
        self._reading = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            records = await self._subscription.poll(100, 0.2)
            self.read += records
            await self._subscription.commit(records)

    async def stop(self) -> None:
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading


async def test_members_share_partitions_and_one_takes_all_when_the_other_leaves(broker: Broker) -> None:
    topic, group = await new_topic(broker), fresh("group")
    async with broker.subscribe(group, [topic]) as staying:
        one = Member(staying)
        async with broker.subscribe(group, [topic]) as leaving:
            other = Member(leaving)
            start = await until_both_read(broker, topic, one, other)
            await broker.publish(numbered(topic, 200, keys=40, start=start))
            async with asyncio.timeout(LIMIT):
                while len(one.read) + len(other.read) < 200:
                    await asyncio.sleep(0.05)
            assert numbers(one.read + other.read) == list(range(start, start + 200))
            assert not {r.partition for r in one.read} & {r.partition for r in other.read}
            await other.stop()
        one.read.clear()
        await broker.publish(numbered(topic, 100, keys=40, start=start + 200))
        async with asyncio.timeout(10):
            while len(one.read) < 100:
                await asyncio.sleep(0.05)
        await one.stop()
    assert numbers(one.read) == list(range(start + 200, start + 300))


async def until_both_read(broker: Broker, topic: str, one: Member, other: Member) -> int:
    """Publish until the group has settled: both members read, and nothing comes twice. What comes next."""
    start = 0
    async with asyncio.timeout(LIMIT):
        while True:
            one.read.clear()
            other.read.clear()
            await broker.publish(numbered(topic, 40, keys=40, start=start))
            start += 40
            while not {n for n in range(start - 40, start)} <= set(numbers(one.read + other.read)):
                await asyncio.sleep(0.05)
            if one.read and other.read and len(one.read) + len(other.read) == 40:
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


def every_method(broker: Broker, topic: str) -> dict[str, Callable[[], Awaitable[object]]]:
    async def subscribe() -> None:
        async with broker.subscribe(fresh("group"), [topic]) as subscription:
            await subscription.poll(1, 0.1)

    return {
        "ensure_topics": lambda: broker.ensure_topics([topic]),
        "publish": lambda: broker.publish([record(topic, "key", "0")]),
        "subscribe": subscribe,
        "end_positions": lambda: broker.end_positions([topic]),
        "end_positions of none": lambda: broker.end_positions([]),
        "committed": lambda: broker.committed("group", [topic]),
        "read": lambda: broker.read(TopicPartition(topic, 0), 0, 1),
    }


@pytest.mark.parametrize("method", every_method(open_broker("kafka://nowhere"), "topic"))
async def test_a_broker_that_is_not_there_is_unavailable(method: str) -> None:
    broker = open_broker(f"kafka://127.0.0.1:{free_port()}")
    async with asyncio.timeout(5):
        with pytest.raises(BrokerUnavailable):
            await every_method(broker, "topic")[method]()
        await broker.close()


async def test_a_broker_that_was_away_serves_again(broker: Broker, kafka: Kafka) -> None:
    topic, group = await new_topic(broker), fresh("group")
    await broker.publish(numbered(topic, 10))
    warm = every_method(broker, topic)
    for call in warm.values():
        await call()
    failed: set[str] = set()
    async with broker.subscribe(group, [topic]) as subscription:
        member = Member(subscription)
        restarting = asyncio.ensure_future(asyncio.to_thread(kafka.restart))
        while not restarting.done():
            for name, call in warm.items():
                try:
                    await call()
                except BrokerUnavailable:
                    failed.add(name)
                await asyncio.sleep(0.01)
        await restarting
        for call in warm.values():
            await call()
        assert "end_positions of none" in failed  # so that a service which cannot publish is not ready
        await broker.publish(numbered(topic, 10, start=10))
        async with asyncio.timeout(LIMIT):
            while not set(range(20)) <= set(numbers(member.read)):
                await asyncio.sleep(0.05)
        await member.stop()
    assert set(range(20)) <= set(numbers(await read_as(broker, fresh("group"), topic, 20)))
    assert await take_nothing_new(broker, group, topic)


async def take_nothing_new(broker: Broker, group: str, topic: str) -> bool:
    async with broker.subscribe(group, [topic]) as subscription:
        return not await subscription.poll(10, 1.0)


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
