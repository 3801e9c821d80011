"""``python -m bench.growth [--sizes 10000 100000 300000]``: whether a hop slows as its tables fill.

A service handles real events first. Then its rows are multiplied in the database, with ids of their own,
until they are those of so many reports (ciphertext is cut short: nobody opens it, and out of line it
would not be in the way either), and the same work is timed again with fresh events: the best of five
runs, as a share of the rate at the smallest size. Written to build/bench/growth.json.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg

from harness.world import World
from homeward.audit.app import create_service as create_audit
from homeward.audit.configure import write_log_key
from homeward.audit.domain import entries_of
from homeward.audit.sequencer import Sequencer
from homeward.audit.settings import Settings as AuditSettings
from homeward.common.consumer import BATCH
from homeward.common.contracts import Event
from homeward.common.keys import LOOKUP
from homeward.common.parts import Service
from homeward.exchange.pseudonyms import Pseudonyms
from homeward.intake.app import create_service as create_intake
from homeward.intake.settings import Settings as IntakeSettings

from .consuming import EXCHANGE, MATCHING, REFERRAL, Consuming, register_partners
from .ground import Ground, batches, connection, open_ground, reports
from .reading import AGENCY, PAGE

REPORT = Path("build/bench/growth.json")
BASE = 1_000
"""Reports that the rows to be multiplied come of."""
WORK = 900
"""Events, or rows, of one timed run."""
RUNS = 5
MOST_LOST = 0.2
_CLONED = {
    "uuid": "md5({c}::text || g)::uuid",
    "bytea": "CASE WHEN octet_length({c}) = 32 THEN sha256({c} || int4send(g)) ELSE substr({c}, 1, 60) END",
}
"""How a column of a copy differs, by type; ids stay the same ids in all tables of one copy."""
_BY_NAME = {
    "sequence": "{c} - g * {step}",
    "index": "{c} - g * {step}",
    "seq": "{c} - g * {step}",
    "key": "{c} || g",
}
"""And by name: places before the first, so that the service goes on where it was."""


@dataclass
class Growing:
    """A hop in a world of its own: what fills its tables, and one timed piece of work."""

    name: str
    world: World
    db: asyncpg.Connection
    tables: Sequence[str]
    work: Callable[[], Awaitable[float]]
    """Does it with fresh input; units per second."""

    async def best(self) -> float:
        """The rate of the best run."""
        return max([await self.work() for _ in range(RUNS)])

    async def keep_base(self) -> None:
        """What is there now is what will be multiplied."""
        await self.db.execute("UPDATE outbox SET epoch = 1, sequence = position WHERE sequence IS NULL")
        for table in self.tables:
            await self.db.execute(f"CREATE TABLE base_{table} AS SELECT * FROM {table}")

    async def multiply(self, first: int, last: int) -> None:
        """Add the copies from ``first`` to ``last``."""
        for table in self.tables:
            columns = await self.db.fetch(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_name = $1 AND is_identity = 'NO'",
                table,
            )
            step = await self.db.fetchval(f"SELECT count(*) + 1 FROM base_{table}")
            names = ", ".join(f'"{name}"' for name, _ in columns)
            values = ", ".join(_copied(name, kind, step) for name, kind in columns)
            await self.db.execute(
                f"INSERT INTO {table} ({names}) SELECT {values} "
                f"FROM base_{table} b, generate_series({first}, {last}) g"
            )
            await self.db.execute(f"ANALYZE {table}" if table != "matching_index" else "SELECT")


def _copied(name: str, kind: str, step: int) -> str:
    rule = _BY_NAME.get(name) if kind != "uuid" else None
    return (rule or _CLONED.get(kind, "{c}")).format(c=f'b."{name}"', step=step)


@asynccontextmanager
async def consumer(ground: Ground, what: Consuming) -> AsyncIterator[list[Growing]]:
    """Batches through a consumer; exchange is read from as well."""
    name = f"growth_{what.name.split()[-1]}"
    async with ground.world(name) as world, connection(world) as db:
        service = await world.start(what.create, what.settings)
        if what.with_partners:
            await register_partners(world.client(service, "partners:write"))

        async def work() -> float:
            return await _handled(world, service, what.events(reports(WORK, world)))

        received = reports(BASE * (3 if what is EXCHANGE else 1), world)
        await _handled(world, service, what.events(received))
        # Policies are asked no more different questions for more reports: that table does not grow.
        tables = [table for table in what.tables if table != "snapshots"]
        hops = [Growing(what.name.strip(), world, db, tables, work)]
        if what is EXCHANGE:
            hops.append(Growing("feed page of 100", world, db, (), _reading(world, service, db)))
        yield hops


async def _handled(world: World, service: Service, events: Sequence[Event]) -> float:
    records = batches(await world.records(*events), BATCH)
    started = perf_counter()
    for batch in records:
        await world.handle(service, batch)
    return len(events) / (perf_counter() - started)


def _reading(world: World, service: Service, db: asyncpg.Connection) -> Callable[[], Awaitable[float]]:
    async def work() -> float:
        keys = await world.keyring.class_keys(["service:exchange"], create=True)
        secret = keys["service:exchange"][LOOKUP]  # type: ignore[index]
        end = await db.fetchval("SELECT last_seq FROM partners WHERE agency = $1", AGENCY)
        cursor = Pseudonyms(secret, AGENCY).cursor(end - 5 * PAGE)
        async with world.client(service, "events:read", organisation=AGENCY, client_id=AGENCY) as client:
            await client.get("/v1/events", params={"cursor": cursor, "limit": 5 * PAGE})  # keys are warm then
            started = perf_counter()
            for _ in range(5):
                page = (await client.get("/v1/events", params={"cursor": cursor, "limit": PAGE})).json()
                assert len(page["events"]) == PAGE
                cursor = page["cursor"]
            return 5 * PAGE / (perf_counter() - started)

    return work


@asynccontextmanager
async def intake(ground: Ground) -> AsyncIterator[list[Growing]]:
    """Requests with many reports, and the relay of what they said."""
    async with ground.world("growth_intake") as world, connection(world) as db:
        service = await world.start(create_intake, IntakeSettings)
        numbers = iter(range(10**9))

        async def submit(count: int = WORK) -> float:
            body = [
                {"full_name": f"Person {next(numbers)}", "narrative": "Seen. " * 20} for _ in range(count)
            ]
            async with world.client(service, "reports:write") as client:
                started = perf_counter()
                answer = await client.post("/v1/reports", json=body)
                assert answer.json()["accepted"] == count
                return count / (perf_counter() - started)

        async def relay() -> float:
            await submit()
            started = perf_counter()
            relayed = await world.relay(service)
            return relayed / (perf_counter() - started)

        await submit(BASE)
        await world.relay(service)
        yield [
            Growing("intake API, many at once", world, db, ("reports", "outbox"), submit),
            Growing("relay, embedded log", world, db, (), relay),
        ]


@asynccontextmanager
async def audit(ground: Ground) -> AsyncIterator[list[Growing]]:
    """The sequencer; its tables hold every event, taken as four a report here."""
    async with ground.world("growth_audit") as world, connection(world) as db:
        key_file = ground.folder / "growth-log.key"
        write_log_key(key_file)
        service = await world.start(create_audit, AuditSettings, log_key_file=key_file)
        sequencer = Sequencer(service.parts, service.parts.own["signer"])

        async def work(count: int = WORK) -> float:
            records = await world.records(*reports(count, world))
            started = perf_counter()
            await sequencer.sequence(entries_of(records)[0])
            return count / (perf_counter() - started)

        for _ in range(4):
            await work(BASE)
        yield [Growing("audit sequencing", world, db, ("entries", "records"), work)]


PLACES: Sequence[Callable[[Ground], Any]] = [
    intake,
    lambda ground: consumer(ground, MATCHING),
    lambda ground: consumer(ground, REFERRAL),
    lambda ground: consumer(ground, EXCHANGE),
    audit,
]


async def measure(ground: Ground, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Every hop at every size."""
    found = []
    for place in PLACES:
        async with place(ground) as hops:
            for hop in hops:
                await hop.keep_base()
            rates: dict[str, dict[int, float]] = {hop.name: {} for hop in hops}
            copies = 0
            for size in sizes:
                for hop in hops:
                    await hop.multiply(copies + 1, size // BASE - 1)
                copies = size // BASE - 1
                for hop in hops:
                    rates[hop.name][size] = round(await hop.best())
        for name, by_size in rates.items():
            lost = 1 - by_size[sizes[-1]] / by_size[sizes[0]]
            found.append(
                {"hop": name, "per_second": by_size, "lost": round(lost, 3), "met": lost <= MOST_LOST}
            )
            line = "  ".join(f"{size:,}: {rate:,}/s" for size, rate in by_size.items())
            print(f"{name:<26} {line}  lost {lost:.0%}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 300_000], help="reports in the tables"
    )
    sizes = sorted(parser.parse_args().sizes)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    with open_ground(quick=False) as ground:
        found = asyncio.run(measure(ground, sizes))
    REPORT.write_text(json.dumps({"sizes": sizes, "hops": found}, indent=2) + "\n")
    print(f"written to {REPORT}")


if __name__ == "__main__":
    main()
