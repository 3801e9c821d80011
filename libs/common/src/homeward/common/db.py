"""PostgreSQL, by SQLAlchemy Core and asyncpg: engines, and which errors pass by themselves."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .broker import BrokerUnavailable
from .keys import KeyringUnavailable

# Serialization failure, deadlock, lock timeout, shutdown, crash, starting up, no longer the primary.
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25006"})
# Connection lost; out of disk, memory or connections; input or output failed.
_TRANSIENT_KINDS = ("08", "53", "58")


def create_engine(url: str, *, pool_size: int = 5) -> AsyncEngine:
    """An engine whose errors never show parameters (they are people's data)."""
    return create_async_engine(
        url, hide_parameters=True, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True
    )


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
