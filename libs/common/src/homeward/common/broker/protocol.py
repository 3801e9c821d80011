"""What Homeward needs of an event log. Kafka has it; one PostgreSQL database can stand in on one machine.

Both implementations pass the same behaviour suite. What it promises: records of one key keep their
order; within a group each partition has one reader; what was committed is not read again, what was
not is; a group that starts anew reads from the beginning.
"""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from ..envelope import Received, Record


class TopicPartition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    partition: int


Positions = Mapping[TopicPartition, int]
"""Partition → offset of the next record."""


class BrokerUnavailable(Exception):
    """The broker did not answer or did not take it; nothing is known to be lost, try again."""


class Subscription(Protocol):
    """One member of a group."""

    async def poll(self, max_records: int, timeout: float) -> list[Received]:
        """Up to ``max_records``, in order within a partition; empty after ``timeout`` seconds.

        Raises BrokerUnavailable.
        """
        ...

    async def commit(self, records: Sequence[Received]) -> None:
        """These, and all before them in their partitions, are done.

        A partition that has gone to another member meanwhile is passed over silently: the new owner
        reads its records again and the inbox knows them. Raises BrokerUnavailable.
        """
        ...


class Broker(Protocol):
    """The event log. Every method raises BrokerUnavailable, soon, when the broker is away."""

    async def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create what is missing, to keep everything for ever; what is there stays as it is."""
        ...

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when all are durable, in order per key; BrokerUnavailable if any may not be, and
        if a topic is not there."""
        ...

    def subscribe(self, group: str, topics: Sequence[str]) -> AbstractAsyncContextManager[Subscription]:
        """Join ``group``; leave it at the end of the context. BrokerUnavailable if a topic is not there."""
        ...

    async def end_positions(self, topics: Sequence[str]) -> Positions:
        """Where the next record of every partition will stand; no topics asks only whether it answers."""
        ...

    async def committed(self, group: str, topics: Sequence[str]) -> Positions:
        """What ``group`` has committed; 0 where nothing yet."""
        ...

    async def read(self, at: TopicPartition, offset: int, limit: int) -> list[Received]:
        """Up to ``limit`` records of one partition from ``offset``, outside any group.

        Empty beyond the end; BrokerUnavailable if the topic is not there.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


async def lag(broker: Broker, group: str, topics: Sequence[str]) -> int:
    """How many records ``group`` has yet to commit."""
    return behind(await broker.end_positions(topics), await broker.committed(group, topics))


def partition_of(key: bytes, partitions: int) -> int:
    """Which of so many partitions the records of ``key`` go to: by CRC-32, as librdkafka's ``consistent``."""
    return zlib.crc32(key) % partitions


def behind(ends: Positions, done: Positions) -> int:
    """How many records before ``ends`` are not ``done``."""
    return sum(max(end - done.get(at, 0), 0) for at, end in ends.items())


def open_broker(url: str, *, partitions: int = 6, replication: int = 1) -> Broker:
    """The broker behind ``kafka://host:port[,host:port]`` or ``postgresql://…``; ValueError otherwise.

    ``partitions`` and ``replication`` hold for topics that are yet to be created.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "kafka":
        from .kafka import KafkaBroker

        return KafkaBroker(rest, partitions=partitions, replication=replication)
    if scheme in {"postgresql", "postgresql+asyncpg"}:
        from .postgres import PostgresBroker

        return PostgresBroker(f"postgresql://{rest}", partitions=partitions)
    raise ValueError("broker URL must start with kafka:// or postgresql://")
