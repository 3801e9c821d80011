"""PostgreSQL, by SQLAlchemy Core and asyncpg: engines, rows in bulk, and which errors pass by themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .broker import BrokerUnavailable
from .keys import KeyringUnavailable

# Serialization failure, deadlock, lock timeout, shutdown, crash, starting up, no longer the primary.
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25006"})
# Connection lost; out of disk, memory or connections; input or output failed.
_TRANSIENT_KINDS = ("08", "53", "58")


CONNECT_SECONDS = 10
"""A server that takes longer to say anything is away. Those who wait for it hold places in the pool."""


def create_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine whose errors never show parameters (they are people's data)."""
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,  # those beyond would be closed after each use, and made anew for the next
        connect_args={"timeout": CONNECT_SECONDS},
    )
    sa.event.listen(engine.sync_engine, "checkout", _must_be_open)
    return engine


def _must_be_open(connection: Any, *_: object) -> None:
    """asyncpg knows when its server has gone, so there is no need to ask before every use (which is what
    SQLAlchemy's ping does, in three round trips); then all connections made before are replaced."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def each_alone(engine: AsyncEngine) -> AsyncEngine:
    """The same pool, where each statement is a transaction: one round trip instead of three."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def copy_in(db: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add ``rows``, all with the same columns, by COPY: a fraction of what as many INSERTs take. What the
    database refuses is asyncpg's exception here."""
    if not rows:
        return
    connection = await driver(db)
    columns = list(rows[0])
    records = [[row[column] for column in columns] for row in rows]
    await connection.copy_records_to_table(table.name, records=records, columns=columns)


async def driver(db: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection, in the transaction: for what is asked often, since SQLAlchemy takes as
    long as a short statement does. What the database refuses is asyncpg's exception there."""
    connection = (await db.get_raw_connection()).driver_connection
    assert connection is not None
    if not connection.is_in_transaction():
        await db.execute(sa.select(1))  # SQLAlchemy begins a transaction with its own first statement
    return connection


def is_transient(error: BaseException) -> bool:
    """Whether trying again later is right: nothing is wrong with what was being handled."""
    if isinstance(error, BrokerUnavailable | KeyringUnavailable | PoolTimeout | ConnectionError):
        return True
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        lost = isinstance(error, OperationalError | InterfaceError) and not state
        ended = isinstance(getattr(error.orig, "__cause__", None), asyncpg.InternalClientError)
        return error.connection_invalidated or lost or ended or _passes(state)
    if isinstance(error, asyncpg.PostgresError):
        return _passes(error.sqlstate or "")
    if isinstance(error, asyncpg.InterfaceError):
        return "clos" in str(error)  # "connection is closed", "… was closed in the middle"
    if isinstance(error, asyncpg.InternalClientError):
        return True  # the connection was used just as the server was ending it
    return isinstance(error, OSError | TimeoutError)


def _passes(state: str) -> bool:
    return state in _TRANSIENT_STATES or state.startswith(_TRANSIENT_KINDS)
