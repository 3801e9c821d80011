"""The broker on Apache Kafka, by aiokafka."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.structs import ConsumerRecord

from ..envelope import Received, Record
from .protocol import BrokerUnavailable, Positions, Subscription, TopicPartition


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
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
        self._opening = asyncio.Lock()

    async def ensure_topics(self, topics: Sequence[str]) -> None:
        """As :meth:`.Broker.ensure_topics`; every topic has the same number of partitions."""
        keep = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
        wanted = [NewTopic(t, self._partitions, self._replication, topic_configs=keep) for t in topics]
        with _unavailable():
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
            try:
                await admin.start()
                response = await admin.create_topics(wanted)
            finally:
                await admin.close()
            for _, code, *_ in response.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)()

    async def publish(self, records: Sequence[Record]) -> None:
        """As :meth:`.Broker.publish`."""
        with _unavailable():
            producer = await self._open_producer()
            sent = [
                await producer.send(r.topic, value=r.value, key=r.key, headers=list(r.headers))
                for r in records
            ]
            results = await asyncio.gather(*sent, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[str]) -> AsyncIterator[Subscription]:
        """As :meth:`.Broker.subscribe`."""
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
            with _unavailable():
                await consumer.start()
            yield _KafkaSubscription(consumer)
        finally:
            await consumer.stop()

    async def end_positions(self, topics: Sequence[str]) -> Positions:
        """As :meth:`.Broker.end_positions`."""
        with _unavailable():
            reader = await self._open_reader()
            at = await self._partitions_of(reader, topics)
            return {_ours(tp): offset for tp, offset in (await reader.end_offsets(at)).items()}

    async def committed(self, group: str, topics: Sequence[str]) -> Positions:
        """As :meth:`.Broker.committed`."""
        with _unavailable():
            at = await self._partitions_of(await self._open_reader(), topics)
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
            try:
                await admin.start()
                offsets = await admin.list_consumer_group_offsets(group, partitions=at)
            finally:
                await admin.close()
            return {_ours(tp): max(meta.offset, 0) for tp, meta in offsets.items()}

    async def read(self, at: TopicPartition, offset: int, limit: int) -> list[Received]:
        """As :meth:`.Broker.read`."""
        tp = KafkaPartition(*at)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        with _unavailable():
            try:
                await consumer.start()
                consumer.assign([tp])
                end = (await consumer.end_offsets([tp]))[tp]
                consumer.seek(tp, offset)
                found: list[Received] = []
                while len(found) < limit and offset + len(found) < end:
                    batch = await consumer.getmany(tp, timeout_ms=1_000, max_records=limit - len(found))
                    found.extend(_received(r) for r in batch.get(tp, []))
                return found
            finally:
                await consumer.stop()

    async def close(self) -> None:
        """As :meth:`.Broker.close`."""
        producer, self._producer = self._producer, None
        reader, self._reader = self._reader, None
        if producer:
            await producer.stop()
        if reader:
            await reader.stop()

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
                    max_request_size=8 << 20,
                    linger_ms=2,
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

    @staticmethod
    async def _partitions_of(reader: AIOKafkaConsumer, topics: Sequence[str]) -> list[KafkaPartition]:
        for topic in topics:
            await reader._client.add_topic(topic)
        await reader._client.force_metadata_update()
        return [
            KafkaPartition(topic, partition)
            for topic in topics
            for partition in sorted(reader.partitions_for_topic(topic) or ())
        ]


class _KafkaSubscription:
    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def poll(self, max_records: int, timeout: float) -> list[Received]:
        with _unavailable():
            fetched = await self._consumer.getmany(timeout_ms=int(timeout * 1_000), max_records=max_records)
        return [_received(record) for at in sorted(fetched) for record in fetched[at]]

    async def commit(self, records: Sequence[Received]) -> None:
        done = {KafkaPartition(r.topic, r.partition): r.offset + 1 for r in records}
        try:
            with _unavailable():
                await self._consumer.commit(done)
        except BrokerUnavailable as error:
            # A rebalance ran in the background (aiokafka #929): the inbox dedupes what is read again.
            if not isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                raise


def _ours(tp: KafkaPartition) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition)


def _received(record: "ConsumerRecord[bytes, bytes]") -> Received:
    headers = tuple((name, value or b"") for name, value in record.headers)  # Kafka allows null ones
    return Received(
        record.topic, record.key or b"", headers, record.value or b"", record.partition, record.offset
    )
