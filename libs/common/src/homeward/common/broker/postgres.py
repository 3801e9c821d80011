"""The broker on one PostgreSQL database: for one machine, without Kafka.

Offsets are given under a lock on the partition's row, so they are gapless and in commit order. A
group has one reader at a time, held by an advisory lock on a connection of its own, with takeover.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

import asyncpg
import orjson

from ..envelope import Received, Record
from ..leadership import Leadership
from .protocol import BrokerUnavailable, Positions, Subscription, TopicPartition, partition_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log_partitions (
    topic text, partition int, next_offset bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS log_records (
    topic text, partition int, "offset" bigint, key bytea NOT NULL, headers bytea NOT NULL,
    value bytea STORAGE EXTERNAL NOT NULL, PRIMARY KEY (topic, partition, "offset"));
CREATE TABLE IF NOT EXISTS log_positions (
    "group" text, topic text, partition int, "offset" bigint NOT NULL,
    PRIMARY KEY ("group", topic, partition));
"""
_COMMITTED = """
SELECT p.topic, p.partition, coalesce(g."offset", 0) FROM log_partitions p
LEFT JOIN log_positions g ON g.topic = p.topic AND g.partition = p.partition AND g."group" = $2
WHERE p.topic = ANY($1)
"""
_EXTEND = """
WITH added AS (SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[]) AS a (topic, partition, records)),
held AS MATERIALIZED (  -- one order for all writers: no deadlock
    SELECT topic, partition, records FROM log_partitions p JOIN added USING (topic, partition)
    ORDER BY topic, partition FOR UPDATE OF p)
UPDATE log_partitions p SET next_offset = next_offset + records FROM held
WHERE (p.topic, p.partition) = (held.topic, held.partition)
RETURNING p.topic, p.partition, next_offset - records
"""
_CHANNEL = "homeward_log"
_COLUMNS = ["topic", "partition", "offset", "key", "headers", "value"]


_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, connection ended by hand
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.UndefinedTableError,  # nobody has called ensure_topics yet
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # used just as the server was ending it
    OSError,
    TimeoutError,
)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise BrokerUnavailable(f"embedded log: {type(error).__name__}") from error


class PostgresBroker:
    """The event log in tables."""

    def __init__(self, url: str, *, partitions: int) -> None:
        self._url = url
        self._partitions = partitions
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def ensure_topics(self, topics: Sequence[str]) -> None:
        """As :meth:`.Broker.ensure_topics`."""
        with _unavailable():
            pool = await self._open()
            async with pool.acquire() as db, db.transaction():
                await db.execute("SELECT pg_advisory_xact_lock(hashtextextended('homeward log schema', 0))")
                await db.execute(_SCHEMA)
                # Never more partitions than a topic began with: its keys would move between them.
                await db.execute(
                    "INSERT INTO log_partitions (topic, partition) "
                    "SELECT DISTINCT t, p FROM unnest($1::text[]) t, generate_series(0, $2 - 1) p "
                    "WHERE t NOT IN (SELECT topic FROM log_partitions)",
                    list(topics),
                    self._partitions,
                )

    async def publish(self, records: Sequence[Record]) -> None:
        """As :meth:`.Broker.publish`; all or nothing."""
        with _unavailable():
            pool = await self._open()
            async with pool.acquire() as db:
                async with db.transaction():
                    await self._append(db, records)
                await db.execute(f"NOTIFY {_CHANNEL}")  # not before the commit: see Tx.wake_relay

    async def _append(self, db: asyncpg.Connection, records: Sequence[Record]) -> None:
        counts = await self._partition_counts(db, {r.topic for r in records})
        placed: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            at = TopicPartition(record.topic, partition_of(record.key, counts[record.topic]))
            placed[at].append(record)
        topics, partitions = [at.topic for at in placed], [at.partition for at in placed]
        rows = []
        for topic, partition, first in await db.fetch(
            _EXTEND, topics, partitions, [*map(len, placed.values())]
        ):
            there = placed[TopicPartition(topic, partition)]
            rows += [
                (topic, partition, offset, r.key, _pack(r.headers), r.value)
                for offset, r in enumerate(there, first)
            ]
        await db.copy_records_to_table("log_records", records=rows, columns=_COLUMNS)

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[str]) -> AsyncIterator[Subscription]:
        """As :meth:`.Broker.subscribe`."""
        pool = await self._open()
        with _unavailable():
            await self._partition_counts(pool, set(topics))
        async with Leadership(self._url, f"homeward log group {group}", channel=_CHANNEL) as leadership:
            yield _PostgresSubscription(pool, leadership, group, list(topics))

    async def end_positions(self, topics: Sequence[str]) -> Positions:
        """As :meth:`.Broker.end_positions`."""
        return await self._positions(
            "SELECT topic, partition, next_offset FROM log_partitions WHERE topic = ANY($1)", list(topics)
        )

    async def committed(self, group: str, topics: Sequence[str]) -> Positions:
        """As :meth:`.Broker.committed`."""
        return await self._positions(_COMMITTED, list(topics), group)

    async def read(self, at: TopicPartition, offset: int, limit: int) -> list[Received]:
        """As :meth:`.Broker.read`."""
        with _unavailable():
            pool = await self._open()
            await self._partition_counts(pool, {at.topic})
            return await _fetch(pool, at, offset, limit)

    async def close(self) -> None:
        """As :meth:`.Broker.close`."""
        pool, self._pool = self._pool, None
        if pool:
            with suppress(*_AWAY):
                await pool.close()

    async def _positions(self, query: str, *arguments: object) -> Positions:
        with _unavailable():
            pool = await self._open()
            return {TopicPartition(row[0], row[1]): row[2] for row in await pool.fetch(query, *arguments)}

    async def _partition_counts(
        self, db: asyncpg.Connection | asyncpg.Pool, topics: set[str]
    ) -> dict[str, int]:
        """How many partitions each of ``topics`` has; BrokerUnavailable if one is not there."""
        rows = await db.fetch(
            "SELECT topic, count(*) FROM log_partitions WHERE topic = ANY($1) GROUP BY 1", sorted(topics)
        )
        counts = {row[0]: row[1] for row in rows}
        if missing := topics - counts.keys():
            raise BrokerUnavailable(f"embedded log: topic {min(missing)} is not there")
        return counts

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                with _unavailable():
                    self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=8)
            return self._pool


class _PostgresSubscription:
    def __init__(self, pool: asyncpg.Pool, leadership: Leadership, group: str, topics: list[str]) -> None:
        self._pool = pool
        self._leadership = leadership
        self._group = group
        self._topics = topics
        self._next: dict[TopicPartition, int] | None = None

    async def poll(self, max_records: int, timeout: float) -> list[Received]:
        with _unavailable():
            if not self._leadership.held:
                self._next = None  # whoever led meanwhile has moved on: start from what is committed
                if not await self._leadership.acquire(timeout):
                    return []
            self._leadership.heard.clear()
            found = await self._fetch_all(max_records)
            if not found and await self._leadership.hear(timeout):
                found = await self._fetch_all(max_records)
            return found

    async def commit(self, records: Sequence[Received]) -> None:
        if not self._leadership.held:
            return
        done = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        with _unavailable():
            await self._pool.executemany(
                'INSERT INTO log_positions VALUES ($1, $2, $3, $4) ON CONFLICT ("group", topic, partition) '
                'DO UPDATE SET "offset" = greatest(log_positions."offset", excluded."offset")',
                [(self._group, *at, offset) for at, offset in sorted(done.items())],
            )

    async def _fetch_all(self, max_records: int) -> list[Received]:
        if self._next is None:
            rows = await self._pool.fetch(_COMMITTED, self._topics, self._group)
            self._next = {TopicPartition(row[0], row[1]): row[2] for row in rows}
        ends = await self._pool.fetch(
            "SELECT topic, partition, next_offset FROM log_partitions WHERE topic = ANY($1)", self._topics
        )
        found: list[Received] = []
        for row in ends:
            at = TopicPartition(row[0], row[1])
            if self._next.setdefault(at, 0) < row[2] and len(found) < max_records:
                batch = await _fetch(self._pool, at, self._next[at], max_records - len(found))
                found += batch
                self._next[at] += len(batch)
        return found


async def _fetch(pool: asyncpg.Pool, at: TopicPartition, offset: int, limit: int) -> list[Received]:
    rows = await pool.fetch(
        'SELECT key, headers, value, "offset" FROM log_records WHERE topic = $1 AND partition = $2 '
        'AND "offset" >= $3 ORDER BY "offset" LIMIT $4',
        *at,
        offset,
        limit,
    )
    return [Received(at.topic, r[0], _unpack(r[1]), r[2], at.partition, r[3]) for r in rows]


def _pack(headers: Sequence[tuple[str, bytes]]) -> bytes:
    # Latin-1 has a character for every byte, so that any header comes back as it was.
    return orjson.dumps([(name, value.decode("latin-1")) for name, value in headers])


def _unpack(raw: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode("latin-1")) for name, value in orjson.loads(raw))
