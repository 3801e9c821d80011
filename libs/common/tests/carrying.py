"""Records, topics and readers for the tests of the brokers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from homeward.common.broker import Broker, Subscription, TopicPartition
from homeward.common.envelope import Received, Record


def fresh(kind: str = "topic") -> str:
    """A name nobody has used: the tests share one Kafka."""
    return f"{kind}-{uuid4().hex[:12]}"


async def new_topic(broker: Broker) -> str:
    topic = fresh()
    await broker.ensure_topics([topic])
    return topic


def record(topic: str, key: str, value: str) -> Record:
    return Record(topic, key.encode(), (("ce_id", value.encode()),), value.encode())


def numbered(topic: str, count: int, *, keys: int = 10, start: int = 0) -> list[Record]:
    """``count`` records over ``keys`` keys; the value says which it is."""
    return [record(topic, f"key-{n % keys}", f"{n}") for n in range(start, start + count)]


def values(records: Sequence[Record]) -> list[str]:
    return [r.value.decode() for r in records]


def numbers(records: Sequence[Record]) -> list[int]:
    return sorted(int(r.value) for r in records)


async def take(subscription: Subscription, count: int, *, commit: bool = True) -> list[Received]:
    """The next ``count`` records; fails when they do not come."""
    taken: list[Received] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            records = await subscription.poll(count - len(taken), 0.2)
            if records and commit:
                await subscription.commit(records)
            taken += records
    return taken


async def read_as(
    broker: Broker, group: str, topic: str, count: int, *, commit: bool = True
) -> list[Received]:
    """What a new member of ``group`` reads first."""
    async with broker.subscribe(group, [topic]) as subscription:
        return await take(subscription, count, commit=commit)


def per_key(
    records: Sequence[Received], value: Callable[[Received], int] = lambda r: int(r.value)
) -> dict[bytes, list[int]]:
    """Key → its values in the order read."""
    found: dict[bytes, list[int]] = {}
    for one in records:
        found.setdefault(one.key, []).append(value(one))
    return found


def every_method(broker: Broker, topic: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """A call of each method of ``broker``, by name."""

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
