"""What all hops stand on: a PostgreSQL that syncs every commit, worlds in it, and reports to work with."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from harness.kafka import Kafka, start_kafka
from harness.world import ALL_CLASSES, MemoryKeyring, World, open_world
from homeward.common.broker import open_broker
from homeward.common.broker.postgres import PostgresBroker
from homeward.common.contracts import ReportReceived, StatedConsent
from homeward.common.ids import new_id
from homeward.common.keys import ClassKeys, KeySet
from homeward.intake.domain import has_reporter, read_report
from homeward.onebox.demo.partners import CONSENTS
from homeward.onebox.postgres import EmbeddedPostgres
from homeward.onebox.sample.generate import SEED, generate

Row = Sequence[Any]
OUTBOX = "id, type, stream, actor, traceparent, value, time"
"""What a service writes into its outbox; position, epoch and sequence come later."""


class ReadyKeyring(MemoryKeyring):
    """Answers at once, from a stock of keys: to make and derive them is the keyring's work, not that of
    the service under measurement. Some subjects share a key, which costs the same as one of their own."""

    def __init__(self) -> None:
        super().__init__()
        self._all = [{name: os.urandom(32) for name in ALL_CLASSES} for _ in range(1_000)]
        self._stock: Iterator[ClassKeys] = cycle(self._all)
        self._given: dict[str, ClassKeys] = {}

    def narrow_to(self, classes: Collection[str]) -> None:
        """From now on hand out the keys of these classes alone, as to the service entitled to them."""
        narrow = {id(keys): {name: keys[name] for name in classes} for keys in self._all}
        self._stock = cycle(narrow.values())
        self._given = {subject: narrow[id(keys)] for subject, keys in self._given.items()}

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """Keys of every class."""
        if create:
            for subject in subjects:
                if subject not in self._given:
                    self._given[subject] = next(self._stock)
        return {subject: self._given[subject] for subject in subjects if subject in self._given}


class NotHere(Exception):
    """A server that a hop needs cannot be had on this machine; the message says why."""


@dataclass
class Ground:
    """One server of each kind for all hops, and how much is to be done on them."""

    postgres: EmbeddedPostgres
    folder: Path
    quick: bool
    _kafka: Kafka | None = None

    def kafka(self) -> Kafka:
        """Kafka, which is started when first asked for; NotHere."""
        if self._kafka is None:
            try:
                self._kafka = start_kafka()
            except pytest.skip.Exception as reason:
                raise NotHere(str(reason)) from None
        return self._kafka

    def stop(self) -> None:
        """Stop what was started."""
        if self._kafka is not None:
            self._kafka.stop()
        self.postgres.stop()

    def count(self, usual: int, quick: int) -> int:
        """How many units a run has."""
        return quick if self.quick else usual

    @asynccontextmanager
    async def world(self, name: str) -> AsyncIterator[World]:
        """A world on a database of this name, with the embedded log as onebox has it: one partition."""
        await self.postgres.prepare([name])
        async with open_world(self.postgres.url(name)) as world:
            world.broker = PostgresBroker(plain(world.database), partitions=1)
            world.keyring = ReadyKeyring()
            yield world

    @asynccontextmanager
    async def world_on_kafka(self, name: str) -> AsyncIterator[World]:
        """The same on Kafka, with empty topics."""
        await forget_topics(self.kafka().bootstrap)
        async with self.world(name) as world:
            await world.broker.close()
            world.broker = open_broker(f"kafka://{self.kafka().bootstrap}")
            yield world


async def forget_topics(bootstrap: str) -> None:
    """Delete what an earlier hop said."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        while ours := [topic for topic in await admin.list_topics() if topic.startswith("homeward.")]:
            await admin.delete_topics(ours)
            await asyncio.sleep(0.2)
    finally:
        await admin.close()


@contextmanager
def open_ground(quick: bool) -> Iterator[Ground]:
    """Onebox's server, since it keeps PostgreSQL's own settings: the tests' one runs without fsync."""
    with TemporaryDirectory(prefix="homeward-bench-") as name:
        folder = Path(name)
        ground = Ground(EmbeddedPostgres(folder / "postgres"), folder, quick)
        try:
            yield ground
        finally:
            ground.stop()


@asynccontextmanager
async def connection(world: World) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection to the world's database: what floors use, and what clears up between runs."""
    db = await asyncpg.connect(plain(world.database))
    try:
        yield db
    finally:
        await db.close()


def plain(url: str) -> str:
    """A URL for SQLAlchemy as asyncpg takes it."""
    return url.replace("+asyncpg", "")


async def copy(db: asyncpg.Connection, table: str, columns: str, rows: Sequence[Row]) -> None:
    """COPY ``rows`` into a table; ``columns`` as in SQL."""
    await db.copy_records_to_table(table, records=rows, columns=columns.split(", "))


async def rows_of(db: asyncpg.Connection, table: str, columns: str, order: str) -> list[Row]:
    """All rows of a table, as :func:`copy` takes them."""
    quoted = ", ".join(f'"{column}"' for column in columns.split(", "))
    return [tuple(row) for row in await db.fetch(f'SELECT {quoted} FROM {table} ORDER BY "{order}"')]


def usable_cells(count: int) -> list[dict[str, str]]:
    """That many rows of a synthetic list, all of which intake accepts."""
    cells = (row.cells for row in generate(SEED, count + count // 100 + 10))
    return [one for one in cells if read_report(one).usable][:count]


def reports(count: int, world: World) -> list[ReportReceived]:
    """The events of such a list, as intake says them, with the consents of the demo."""
    consents = tuple(StatedConsent.model_validate(consent) for consent in CONSENTS)
    events = []
    for cells in usable_cells(count):
        values = read_report(cells).values
        report_id = new_id()
        events.append(
            ReportReceived(
                report_id=report_id,
                reporter_id=new_id() if has_reporter(values) else report_id,
                received_at=world.now,
                channel="list",
                consents=consents,
                **values,
            )
        )
    return events


def batches(rows: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """``rows`` cut into pieces of ``size``."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
