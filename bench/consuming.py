"""Consumers on Kafka, beside consuming the same records and copying in the same rows."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, cast

import asyncpg
from aiokafka import AIOKafkaConsumer

from homeward.common import jose
from homeward.common.broker import Broker, Subscription
from homeward.common.consumer import BATCH, Consumer
from homeward.common.contracts import CaseOpened, Event, PersonRegistered, ReportReceived
from homeward.common.envelope import Received, topics_of
from homeward.common.ids import new_id
from homeward.common.keys import CachedKeyring
from homeward.common.parts import Service
from homeward.exchange.app import create_service as create_exchange
from homeward.exchange.settings import Settings as ExchangeSettings
from homeward.keyring.domain import ENTITLEMENTS
from homeward.onebox.demo.partners import PARTNERS
from homeward.referral.app import create_service as create_referral
from homeward.referral.settings import Settings as ReferralSettings
from homeward.verification.app import create_service as create_verification
from homeward.verification.settings import Settings as VerificationSettings

from .ground import Ground, ReadyKeyring, Row, connection, copy, reports
from .pairs import Hop, Meter

Batch = list[tuple[str, str, list[Row]]]
"""What one transaction wrote: (table, columns, rows)."""
GOAL = 0.4
_RUN = count(1)
_COLUMNS = """
    SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns
    WHERE table_name = $1 AND table_schema = 'public' AND is_identity = 'NO'
"""


@dataclass(frozen=True)
class Consuming:
    """A service's consumer, what it is given and what it writes; parents of foreign keys come first."""

    name: str
    create: Callable[..., Service]
    settings: Callable[..., Any]
    events: Callable[[list[ReportReceived]], list[Event]]
    tables: tuple[str, ...]
    reset: str = "SELECT"
    """SQL that undoes what it changed in rows that were there before."""
    with_partners: bool = False


def _registered(received: Sequence[ReportReceived]) -> list[PersonRegistered]:
    return [PersonRegistered(person_id=new_id(), report_id=report.report_id) for report in received]


def _opened(people: Sequence[PersonRegistered]) -> list[CaseOpened]:
    state = {"case_status": "Active", "search_status": "information_sought"}
    return [CaseOpened(case_id=new_id(), person_id=person.person_id, **state) for person in people]


def _all_three(received: list[ReportReceived]) -> list[Event]:
    some = received[: len(received) // 3]
    people = _registered(some)
    return [*some, *people, *_opened(people)]


def _nothing_to_match(received: list[ReportReceived]) -> list[Event]:
    unknown = {"id_number": None, "passport_number": None, "date_of_birth": None}
    return [report.model_copy(update=unknown) for report in received]


REFERRAL = Consuming(
    "consumer: referral",
    create_referral,
    ReferralSettings,
    lambda received: list(_registered(received)),
    ("inbox", "cases", "outbox"),
)
EXCHANGE = Consuming(
    "consumer: exchange",
    create_exchange,
    ExchangeSettings,
    _all_three,
    ("inbox", "persons", "reports", "events", "consents", "snapshots", "feed", "outbox"),
    "UPDATE partners SET last_seq = 0",
    with_partners=True,
)
VERIFICATION = Consuming(
    "consumer: verification",
    create_verification,
    VerificationSettings,
    _nothing_to_match,
    ("inbox", "persons", "reports", "links", "outbox"),
)
MATCHING = replace(
    VERIFICATION,
    name="  with its matching",
    events=lambda received: list(received),
    tables=(*VERIFICATION.tables, "matching_index"),
)


def hop_of(what: Consuming) -> Callable[[Ground], Any]:
    """The hop of one consumer."""

    @asynccontextmanager
    async def hop(ground: Ground) -> AsyncIterator[Hop]:
        bootstrap = ground.kafka().bootstrap
        name = f"consuming_{what.name.strip().split()[-1]}"
        async with ground.world_on_kafka(name) as world, connection(world) as db:
            service = await world.start(what.create, what.settings)
            if what.with_partners:
                await register_partners(world.client(service, "partners:write"))
            events = what.events(reports(ground.count(2_400, 900), world))
            await world.publish(*events)
            cast(ReadyKeyring, world.keyring).narrow_to(ENTITLEMENTS[service.name])

            async def clear() -> None:
                await db.execute(f"TRUNCATE {', '.join(what.tables)} RESTART IDENTITY CASCADE")
                await db.execute(what.reset)

            async def ours(meter: Meter) -> None:
                await clear()
                counted = _Counted(world.broker, len(events), meter)
                parts = replace(service.parts, broker=counted, keyring=CachedKeyring(world.keyring))
                await Consumer(replace(service, parts=parts)).run(counted.enough)

            await ours(Meter())
            written = await _written(db, what.tables)
            topics = topics_of(service.consumers)

            async def floor(meter: Meter) -> None:
                await clear()
                await _consume(bootstrap, topics, len(events), db, written, meter)

            yield Hop(what.name, "events", len(events), ours, floor, GOAL)

    return hop


async def register_partners(operator: Any) -> None:
    """The partners of the demo."""
    async with operator as client:
        for partner in PARTNERS:
            jwk = jose.public_jwk(jose.new_key())
            answer = await client.post("/v1/partners", json={**partner, "public_jwk": jwk})
            assert answer.status_code == 201, answer.text


async def _written(db: asyncpg.Connection, tables: Sequence[str]) -> list[Batch]:
    """All rows, by the transaction that wrote them: the same batches as ours."""
    batches: dict[int, dict[str, tuple[str, list[Row]]]] = {}
    for table in tables:
        columns = await db.fetchval(_COLUMNS, table)
        quoted = ", ".join(f'"{column}"' for column in columns.split(", "))
        for xid, *row in await db.fetch(f"SELECT xmin::text::bigint, {quoted} FROM {table} ORDER BY ctid"):
            batches.setdefault(xid, {}).setdefault(table, (columns, []))[1].append(tuple(row))
    return [
        [(table, *batches[xid][table]) for table in tables if table in batches[xid]]
        for xid in sorted(batches)
    ]


async def _consume(
    bootstrap: str,
    topics: Sequence[str],
    total: int,
    db: asyncpg.Connection,
    written: Sequence[Batch],
    meter: Meter,
) -> None:
    """A transaction a poll, then the offsets, as ours; whatever is left at the end is written too."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=f"floor-{next(_RUN)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=250,
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        with meter:
            waiting, done = list(written), 0
            while done < total or waiting:
                if done < total:
                    fetched = await consumer.getmany(timeout_ms=500, max_records=BATCH)
                    done += sum(map(len, fetched.values()))
                if waiting:
                    await _write(db, waiting.pop(0))
                await consumer.commit()
    finally:
        await consumer.stop()


async def _write(db: asyncpg.Connection, batch: Batch) -> None:
    async with db.transaction():
        for table, columns, rows in batch:
            await copy(db, table, columns, rows)


class _Counted:
    """A broker whose subscriptions are of a group of their own, so that they begin at the beginning, and
    say when so many records are committed; the meter runs meanwhile."""

    def __init__(self, inner: Broker, count: int, meter: Meter) -> None:
        self._inner = inner
        self._left = count
        self._meter = meter
        self.enough = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[str]) -> AsyncIterator[Subscription]:
        async with self._inner.subscribe(f"{group}-{next(_RUN)}", topics) as subscription:
            self._meter.__enter__()
            yield _CountedSubscription(subscription, self)

    def committed_now(self, count: int) -> None:
        self._left -= count
        if self._left <= 0 and not self.enough.is_set():
            self._meter.__exit__()
            self.enough.set()


@dataclass(frozen=True)
class _CountedSubscription:
    inner: Subscription
    counted: _Counted

    async def poll(self, max_records: int, timeout: float) -> list[Received]:
        return await self.inner.poll(max_records, timeout)

    async def commit(self, records: Sequence[Received]) -> None:
        await self.inner.commit(records)
        self.counted.committed_now(len(records))
