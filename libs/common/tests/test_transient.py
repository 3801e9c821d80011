"""Which errors pass by themselves. They are waited for; all others are somebody's mistake."""

import asyncio
import socket

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from harness.ports import free_port
from harness.postgres import Postgres
from homeward.common import db as db_module
from homeward.common.broker import BrokerUnavailable
from homeward.common.db import create_engine, is_transient
from homeward.common.keys import KeyringUnavailable
from homeward.common.leadership import Leadership

PASSING = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
    "53100": "disk full",
    "53300": "too many connections",
    "57P01": "shutting down",
    "57P03": "starting up",
    "58030": "input or output failed",
    "25006": "not the primary any more",
    "08006": "connection failure",
}
LASTING = {
    "23505": "unique violation",
    "22001": "too long",
    "22003": "out of range",
    "42P01": "no such table",
    "42501": "not allowed",
    "P0001": "raised by a function",
}


def raising(state: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"


async def test_errors_of_the_database(database: str) -> None:
    engine = create_engine(database)
    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    for state, name in {**PASSING, **LASTING}.items():
        async with engine.connect() as db:
            with pytest.raises(DBAPIError) as error:
                await db.execute(sa.text(raising(state)))
        with pytest.raises(asyncpg.PostgresError) as raw:
            await connection.execute(raising(state))
        assert is_transient(error.value) == is_transient(raw.value) == (state in PASSING), name
    await connection.close()
    await engine.dispose()


async def test_a_value_no_column_takes_is_nothing_that_passes(database: str) -> None:
    engine = create_engine(database)
    for kind, value in [("bigint", 2**70), ("bigint", "x"), ("text", "nul \x00"), ("text", "lone \ud800")]:
        async with engine.connect() as db:
            with pytest.raises(DBAPIError) as error:
                await db.execute(sa.text(f"SELECT CAST(:value AS {kind})"), {"value": value})
        assert not is_transient(error.value)
    await engine.dispose()


async def test_a_connection_cut_in_the_middle(database: str) -> None:
    engine = create_engine(database)
    async with engine.connect() as db:
        pid = await db.scalar(sa.text("SELECT pg_backend_pid()"))
        working = asyncio.ensure_future(db.execute(sa.text("SELECT pg_sleep(60)")))
        async with engine.connect() as other:
            active = "SELECT 1 FROM pg_stat_activity WHERE pid = :pid AND wait_event = 'PgSleep'"
            while not await other.scalar(sa.text(active), {"pid": pid}):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError) as error:
            await working
    await engine.dispose()
    assert is_transient(error.value)


async def test_a_connection_used_just_as_it_is_ended(database: str) -> None:
    """What asyncpg says then depends on how much of the end it has heard of."""
    engine = create_engine(database)
    plain = database.replace("+asyncpg", "")
    killer = await asyncpg.connect(plain)
    for pause in range(20):
        async with engine.connect() as db:
            raw = await asyncpg.connect(plain)
            pids = [await db.scalar(sa.text("SELECT pg_backend_pid()")), raw.get_server_pid()]
            await killer.execute("SELECT pg_terminate_backend(pid, 1000) FROM unnest($1::int[]) pid", pids)
            for _ in range(pause % 4):
                await asyncio.sleep(0)
            found = await asyncio.gather(
                db.execute(sa.text("SELECT 1")), raw.execute("SELECT 1"), return_exceptions=True
            )
            assert [is_transient(error) for error in found if isinstance(error, Exception)] == [True] * 2, (
                found
            )
            raw.terminate()
    await killer.close()
    await engine.dispose()


async def test_a_database_that_is_gone(database: str, postgres: Postgres) -> None:
    engine = create_engine(database)
    async with engine.connect() as db, Leadership(database, "x") as leadership:
        await leadership.acquire(1)
        await asyncio.to_thread(postgres.restart)
        with pytest.raises(DBAPIError) as error:
            await db.execute(sa.text("SELECT 1"))
        assert is_transient(error.value)
        assert not leadership.held
        assert await leadership.acquire(1)
    await engine.dispose()


async def test_a_database_that_was_never_there() -> None:
    url = f"postgresql+asyncpg://127.0.0.1:{free_port()}/nothing"
    engine = create_engine(url)
    with pytest.raises(OSError) as error:  # noqa: PT011
        async with engine.connect():
            pass
    assert is_transient(error.value)
    async with Leadership(url, "x") as leadership:
        with pytest.raises(OSError) as error:  # noqa: PT011
            await leadership.acquire(1)
    assert is_transient(error.value)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (BrokerUnavailable("x"), True),
        (KeyringUnavailable("x"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InterfaceError("the server expects 1 argument"), False),
        (ValueError("x"), False),
        (KeyError("x"), False),
        (AssertionError(), False),
        (httpx.InvalidURL("x"), False),
    ],
    ids=repr,
)
def test_errors_of_others(error: Exception, passes: bool) -> None:
    assert is_transient(error) == passes


def test_errors_of_the_database_do_not_show_parameters(database: str) -> None:
    engine = create_engine(database)

    async def fail() -> str:
        async with engine.connect() as db:
            with pytest.raises(DBAPIError) as error:
                await db.execute(sa.text("SELECT CAST(:name AS int)"), {"name": "Zoë Lin"})
        await engine.dispose()
        return str(error.value)

    said = asyncio.run(fail())
    assert "SQL parameters hidden" in said


async def test_a_server_that_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for it would keep a place in the pool."""
    monkeypatch.setattr(db_module, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connected to, but nobody accepts
        host, port = silent.getsockname()
        engine = create_engine(f"postgresql+asyncpg://nobody@{host}:{port}/nothing")
        async with asyncio.timeout(10):
            with pytest.raises((DBAPIError, TimeoutError)) as error:
                await engine.connect()
        await engine.dispose()
    assert is_transient(error.value)
