"""PostgreSQL, by SQLAlchemy Core and asyncpg: engines, and which errors pass by themselves."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .broker import BrokerUnavailable
from .keys import KeyringUnavailable

# Serialization failure, deadlock, lock timeout, too many connections, shutdown, crash, starting up.
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"})


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
        return error.connection_invalidated or lost or state in _TRANSIENT_STATES or state.startswith("08")
    return isinstance(error, OSError | TimeoutError)
