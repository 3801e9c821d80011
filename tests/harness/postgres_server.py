"""What every PostgreSQL of the tests offers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import asyncpg
from sqlalchemy import URL


class Postgres(ABC):
    """One server. `root` is the URL of a role that may create databases, for SQLAlchemy with asyncpg."""

    root: URL

    def url(self, database: str) -> str:
        return self.root.set(database=database).render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Returns its URL. A template is copied with its rows; nobody may be connected to it meanwhile."""
        origin = f" TEMPLATE {_quoted(template)}" if template else ""
        self._execute(f"CREATE DATABASE {_quoted(name)}{origin}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """With its open connections, which a failed test may have left."""
        self._execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    @abstractmethod
    def stop(self) -> None:
        """Shuts down at once and forgets all data."""

    @abstractmethod
    def kill(self) -> None:
        """Ends every backend as a crash would, data kept. `restart` recovers them."""

    @abstractmethod
    def restart(self) -> None:
        """Disconnects everybody, and returns when the server answers again, under the same URLs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        return True

    def _execute(self, sql: str) -> None:
        _apart(_execute(self.root, sql))


def _apart(call: Coroutine[Any, Any, None]) -> None:
    """Runs it in a thread and a loop of its own.

    The caller may be inside a running loop, and `asyncio.run` in the main thread would unset the loop that
    pytest-asyncio has put there.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, call).result()


async def _execute(url: URL, sql: str) -> None:
    # Through SQLAlchemy's reading of the URL, so that one good for an engine is good here.
    _, arguments = url.get_dialect()().create_connect_args(url)
    connection = await asyncpg.connect(**arguments, timeout=10)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
