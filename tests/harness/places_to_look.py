"""Everywhere something personal could have been left: the topics, the databases, the output of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import httpx

from harness.platform import ROLES, Platform
from homeward.common.broker.kafka import KafkaBroker
from homeward.common.envelope import Received, topic_of

CLEAR_BY_DESIGN = {"matching_index"}
"""Verification's look-up index, in UNLOGGED tables."""


def everything(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """(place, content) of all of it."""
    yield "logs", platform.logs().encode()
    for body in list(platform.traces.requests):
        yield "spans", body
    for role in platform.roles:
        yield f"metrics of {role}", httpx.get(platform.url_of(role) + "/metrics", trust_env=False).content
    for place, content in asyncio.run(_kafka_records(platform.kafka.bootstrap)):
        yield place, content
    for service in ROLES:
        url = platform.postgres.url(f"platform_{service}").replace("+asyncpg", "")
        for table, content in asyncio.run(_tables(url)):
            if table not in CLEAR_BY_DESIGN:
                yield f"{service}.{table}", content


async def _kafka_records(bootstrap: str) -> list[tuple[str, bytes]]:
    found = []
    for record in await on_topics(bootstrap):
        headers = b"".join(name.encode() + value for name, value in record.headers)
        place = f"{record.topic} {record.partition} {record.offset}"
        found.append((place, record.key + headers + record.value))
    assert found, "the topics are empty"
    return found


async def on_topics(bootstrap: str) -> list[Received]:
    """All that was ever published."""
    broker = KafkaBroker(bootstrap, partitions=1, replication=1)
    try:
        found: list[Received] = []
        for at, end in (await broker.end_positions([topic_of(service) for service in ROLES])).items():
            found += await broker.read(at, 0, end)
        return found
    finally:
        await broker.close()


async def _tables(url: str) -> list[tuple[str, bytes]]:
    """Every row of every table as text; what is in ``bytea`` as it is and not as hexadecimal digits."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = []
        for (name,) in names:
            rows = await connection.fetch(f'SELECT * FROM "{name}"')
            cells = [c if isinstance(c, bytes) else str(c).encode() for row in rows for c in row.values()]
            found.append((name, b"\n".join(cells)))
        return found
    finally:
        await connection.close()
