"""The broker on Apache Kafka, by aiokafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IllegalStateError,
    KafkaError,
    LeaderNotAvailableError,
    NotCoordinatorForGroupError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.structs import ConsumerRecord

from ..envelope import Received, Record
from .protocol import BrokerUnavailable, Positions, Subscription, TopicPartition, partition_of

ANSWER = 10.0
"""Seconds for an answer of the cluster. aiokafka itself goes on trying without end in several places."""
DURABLE = 20.0
"""Seconds for a batch to be on all replicas, and for a group to have let a new member in."""
LARGEST = 16 << 20
"""Bytes of the largest record: a request's body, sealed and in base64, with room to spare."""
_COORDINATOR_COMES = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """What fails or takes longer is BrokerUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"Kafka: {type(error).__name__}") from error


class KafkaBroker:
    """One producer for the process, a consumer for each subscription."""

    def __init__(self, bootstrap: str, *, partitions: int, replication: int) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._replication = replication
        self._producer: AIOKafkaProducer | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._opening = asyncio.Lock()
        self._seen: set[str] = set()
        """Topics to which publishing went well the last time: they are taken to be there still."""

    async def ensure_topics(self, topics: Sequence[str]) -> None:
        """As :meth:`.Broker.ensure_topics`; every topic has the same number of partitions."""
        keep = {
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "cleanup.policy": "delete",
            "max.message.bytes": str(LARGEST),
        }
        wanted = [NewTopic(t, self._partitions, self._replication, topic_configs=keep) for t in topics]
        async with _within(DURABLE):
            admin = await self._open_admin()
            response = await admin.create_topics(wanted, timeout_ms=int(ANSWER * 1_000))
            for _, code, *_ in response.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)()
            # Brokers learn of a new topic a moment after the controller has made it.
            while {at.topic for at in await self._partitions_of(topics)} != set(topics):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def publish(self, records: Sequence[Record]) -> None:
        """As :meth:`.Broker.publish`."""
        topics = {r.topic for r in records}
        if not topics <= self._seen:
            await self._must_be_there(topics)
        self._seen -= topics  # unless all goes well
        async with _within(DURABLE):
            producer = await self._open_producer()
            sent: list[asyncio.Future[object]] = []
            try:
                for r in records:
                    sent.append(
                        await producer.send(r.topic, value=r.value, key=r.key, headers=list(r.headers))
                    )
                results = await asyncio.gather(*sent, return_exceptions=True)
                for result in results:
                    if isinstance(result, BaseException):
                        raise result
            except KafkaError:
                # Some errors leave an idempotent producer unusable for good, so the next has a new one.
                self._producer = None
                await _end(producer.stop())
                raise
        self._seen |= topics

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[str]) -> AsyncIterator[Subscription]:
        """As :meth:`.Broker.subscribe`."""
        await self._must_be_there(topics)
        consumer = AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self._bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 << 20,
        )
        try:
            async with _within(DURABLE):
                await consumer.start()
            yield _KafkaSubscription(consumer)
        finally:
            # To the end, however long it takes: a member that is not quite gone would keep its partitions.
            with suppress(KafkaError, OSError):
                await stop_consumer(consumer)

    async def end_positions(self, topics: Sequence[str]) -> Positions:
        """As :meth:`.Broker.end_positions`."""
        async with _within(ANSWER):
            at = await self._partitions_of(topics)
            if not at:
                return {}
            reader = await self._open_reader()
            return {_ours(tp): offset for tp, offset in (await reader.end_offsets(at)).items()}

    async def committed(self, group: str, topics: Sequence[str]) -> Positions:
        """As :meth:`.Broker.committed`."""
        async with _within(ANSWER):
            at = await self._partitions_of(topics)
            while at:
                # A cluster's first group waits a moment for its coordinator, which then answers with
                # an error, or with nothing (an error that aiokafka 0.14 drops).
                with suppress(*_COORDINATOR_COMES):
                    admin = await self._open_admin()
                    offsets = await admin.list_consumer_group_offsets(group, partitions=at)
                    if offsets.keys() >= set(at):
                        return {_ours(tp): max(offsets[tp].offset, 0) for tp in at}
                await asyncio.sleep(0.1)
            return {}

    async def read(self, at: TopicPartition, offset: int, limit: int) -> list[Received]:
        """As :meth:`.Broker.read`."""
        tp = KafkaPartition(*at)
        await self._must_be_there([at.topic])
        async with _within(ANSWER):
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
            )
            try:
                await consumer.start()
                consumer.assign([tp])
                end = (await consumer.end_offsets([tp]))[tp]
                found: list[Received] = []
                if offset < end:
                    consumer.seek(tp, offset)
                while offset < end and len(found) < limit:
                    batch = await consumer.getmany(tp, timeout_ms=1_000, max_records=limit - len(found))
                    found.extend(_received(r) for r in batch.get(tp, []))
                    offset = found[-1].offset + 1 if found else offset
                return found
            finally:
                await stop_consumer(consumer)

    async def close(self) -> None:
        """As :meth:`.Broker.close`."""
        producer, self._producer = self._producer, None
        reader, self._reader = self._reader, None
        admin, self._admin = self._admin, None
        if producer:
            await _end(producer.stop())
        if reader:
            await _end(stop_consumer(reader))
        if admin:
            await _end(admin.close())

    async def _open_producer(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                # aiokafka's defaults are acks=1, no idempotence and 16 KiB batches. It has one
                # produce request in flight per broker, so throughput comes from the batch size.
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=1 << 20,
                    max_request_size=LARGEST,
                    linger_ms=2,
                    partitioner=_chosen,
                    request_timeout_ms=15_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _open_reader(self) -> AIOKafkaConsumer:
        async with self._opening:
            if self._reader is None:
                reader = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
                try:
                    await reader.start()
                except BaseException:
                    await reader.stop()
                    raise
                self._reader = reader
            return self._reader

    async def _open_admin(self) -> AIOKafkaAdminClient:
        async with self._opening:
            if self._admin is None:
                admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
                try:
                    await admin.start()
                except BaseException:
                    await admin.close()
                    raise
                self._admin = admin
            return self._admin

    async def _must_be_there(self, topics: Collection[str]) -> None:
        """aiokafka waits for a topic that nobody made, as if it were about to come."""
        async with _within(ANSWER):
            missing = set(topics) - {at.topic for at in await self._partitions_of(topics)}
        if missing:
            raise BrokerUnavailable(f"Kafka: topic {min(missing)} is not there")

    async def _partitions_of(self, topics: Collection[str]) -> list[KafkaPartition]:
        """The partitions of those ``topics`` that are there; with none it still asks the cluster."""
        admin = await self._open_admin()
        found = []
        for topic in await admin.describe_topics(list(topics)):
            error = for_code(topic["error_code"])
            if error is UnknownTopicOrPartitionError:
                continue
            if topic["error_code"] or any(p["leader"] < 0 for p in topic["partitions"]):
                raise error() if topic["error_code"] else LeaderNotAvailableError()
            found += [KafkaPartition(topic["topic"], p["partition"]) for p in topic["partitions"]]
        return sorted(found)


class _KafkaSubscription:
    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def poll(self, max_records: int, timeout: float) -> list[Received]:
        async with _within(timeout + ANSWER):
            fetched = await self._consumer.getmany(timeout_ms=int(timeout * 1_000), max_records=max_records)
        return [_received(record) for at in sorted(fetched) for record in fetched[at]]

    async def commit(self, records: Sequence[Received]) -> None:
        ours = self._consumer.assignment()  # one partition that has gone must not hold up the others
        done = {KafkaPartition(r.topic, r.partition): r.offset + 1 for r in records}
        done = {at: offset for at, offset in done.items() if at in ours}
        if not done:
            return
        try:
            async with _within(ANSWER):
                await self._consumer.commit(done)
        except BrokerUnavailable as error:
            # A rebalance ran in the background (aiokafka #929): the inbox dedupes what is read again.
            if not isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                raise


def _chosen(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """aiokafka's own, murmur2, is in Python, and a fifth of what sending a record costs."""
    return partitions[partition_of(key, len(partitions))]


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer. aiokafka 0.14 cancels its own fetches, waits for them, and lets the CancelledError of
    one that slept out as if we were cancelled: by then the group is left, and the connections are open."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        await consumer._client.close()


async def _end(stopping: Awaitable[None]) -> None:
    """Stop a client, but do not wait for what a cluster that is away would have to answer."""
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(ANSWER / 2):
            await stopping


def _ours(tp: KafkaPartition) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition)


def _received(record: "ConsumerRecord[bytes, bytes]") -> Received:
    headers = tuple((name, value or b"") for name, value in record.headers)  # Kafka allows null ones
    return Received(
        record.topic, record.key or b"", headers, record.value or b"", record.partition, record.offset
    )
