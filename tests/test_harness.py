"""The servers of the harness are real, reachable by others, and survive what their fixtures promise."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from harness.kafka import Kafka
from harness.postgres import Postgres
from harness.postgres_embedded import EmbeddedPostgres


async def new_topic(kafka: Kafka) -> str:
    topic = f"harness-{uuid.uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    return topic


async def produce(kafka: Kafka, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True
    ) as producer:
        await producer.send_and_wait(topic, value)


async def consume(kafka: Kafka, topic: str, count: int, group: str | None = None) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    if group:
        consumer.subscribe([topic])
    else:
        consumer.assign([TopicPartition(topic, 0)])
    async with consumer, asyncio.timeout(60):
        return [(await consumer.getone()).value for _ in range(count)]


async def query(url: str, sql: str) -> object:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        result = await connection.execute(text(sql))
        return result.scalar() if result.returns_rows else None


async def test_kafka_carries_a_record_to_a_group(kafka: Kafka) -> None:
    topic = await new_topic(kafka)
    await produce(kafka, topic, b"found safe")
    assert await consume(kafka, topic, 1, group=f"{topic}-readers") == [b"found safe"]


async def test_kafka_creates_no_topic_unasked(kafka: Kafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics(["harness-misspelt"])
        assert "harness-misspelt" not in await admin.list_topics()
    finally:
        await admin.close()


SAY_VERSION = """
import asyncio, asyncpg, sys

async def main():
    connection = await asyncpg.connect(sys.argv[1].replace("+asyncpg", ""))
    print(await connection.fetchval("select version()"))
    await connection.close()

asyncio.run(main())
"""


def test_postgres_answers_another_process(database: str) -> None:
    command = [sys.executable, "-c", SAY_VERSION, database]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.stdout.startswith("PostgreSQL "), said.stderr


async def test_postgres_answers_on_its_socket(postgres: Postgres) -> None:
    if not isinstance(postgres, EmbeddedPostgres):
        pytest.skip("only the embedded server is sure to share our file system")
    assert await query(postgres.socket_url("postgres"), "select inet_server_addr()") is None


async def test_databases_are_isolated(database: str, postgres: Postgres) -> None:
    await query(database, "create table person (name text)")
    other = postgres.create_database("harness_other")
    try:
        assert await query(other, "select to_regclass('person')") is None
        assert await query(database, "select to_regclass('person')::text") == "person"
    finally:
        postgres.drop_database("harness_other")


async def test_a_database_is_copied_from_a_template(database: str, postgres: Postgres) -> None:
    await query(database, "create table person as select 'Zoë' as name")
    copy = postgres.create_database("harness_copy", template=database.rsplit("/", 1)[1])
    try:
        assert await query(copy, "select upper(name) from person") == "ZOË"
    finally:
        postgres.drop_database("harness_copy")


@pytest.mark.parametrize("crash", [False, True], ids=["in good order", "killed"])
async def test_postgres_keeps_rows_over_a_restart(postgres: Postgres, database: str, crash: bool) -> None:
    await query(database, "create table person as select 'Zoë' as name")
    if crash:
        postgres.kill()
    await asyncio.to_thread(postgres.restart)
    assert await query(database, "select name from person") == "Zoë"


HOLD_SERVER = """
import time
from harness.postgres_embedded import EmbeddedPostgres

server = EmbeddedPostgres()
print(server.folder, flush=True)
time.sleep(600)
"""


def test_no_server_outlives_its_killed_owner() -> None:
    command = [sys.executable, "-c", HOLD_SERVER]
    with subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        folder = Path(holder.stdout.readline().strip())
        ran = (folder / "data" / "postmaster.pid").exists()
        holder.kill()
    assert ran
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline, f"{folder} is still there"
        time.sleep(0.1)
