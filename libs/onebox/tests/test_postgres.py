"""The embedded PostgreSQL: started in what is there, and ended with us."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from homeward.onebox.folder import CannotStart
from homeward.onebox.postgres import EmbeddedPostgres

KILLED = """
import os, sys
from pathlib import Path
from homeward.onebox.postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1]))
os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def folder(apart_for_all: Path) -> Path:
    """One folder, so that its server is made once; each test leaves it stopped."""
    return apart_for_all / "postgres"


def ask(server: EmbeddedPostgres, sql: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(server.url("postgres").replace("+asyncpg", ""))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(answer())


STOPPED = """
import shutil, sys
from pathlib import Path
from homeward.onebox.postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1]) / "postgres").stop()
shutil.rmtree(sys.argv[1])
"""


def test_a_folder_that_is_removed_afterwards_stays_so(apart: Path) -> None:
    folder = apart / "data"
    subprocess.run([sys.executable, "-c", STOPPED, str(folder)], check=True, timeout=60)
    assert not folder.exists()


def runs(folder: Path) -> bool:
    return any(
        str(folder.resolve()) in (process.info["cmdline"] or ())
        for process in psutil.process_iter(["cmdline"])
    )


def test_it_keeps_its_databases_and_ends_when_stopped(folder: Path) -> None:
    for _ in range(2):
        server = EmbeddedPostgres(folder)
        asyncio.run(server.prepare(["one", "two"]))
        assert server.alive
        there = ask(server, "SELECT count(*) FROM pg_database WHERE datname IN ('one', 'two')")
        server.stop()
        assert there == 2
        assert not server.alive
        assert not runs(folder)


def test_its_log_shows_no_rows_and_its_socket_is_for_its_owner(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    try:
        assert ask(server, "SHOW log_error_verbosity") == "terse"
        assert ask(server, "SHOW unix_socket_permissions") == "0700"
        assert ask(server, "SHOW listen_addresses") == ""
        assert folder.stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def start_and_be_killed(folder: Path, **environment: str) -> None:
    command = [sys.executable, "-c", KILLED, str(folder)]
    ended = subprocess.run(command, env={**os.environ, **environment}, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


def test_it_leaves_nothing_where_other_users_would_stumble_over_it(folder: Path, tmp_path: Path) -> None:
    start_and_be_killed(folder, TMPDIR=str(tmp_path), XDG_RUNTIME_DIR="")
    EmbeddedPostgres(folder).stop()
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_left_running_is_taken_over_and_ended(folder: Path) -> None:
    start_and_be_killed(folder)
    assert runs(folder)
    left = (folder / "postmaster.pid").read_text().split()[0]
    server = EmbeddedPostgres(folder)
    assert (folder / "postmaster.pid").read_text().split()[0] == left
    server.stop()
    assert not runs(folder)


def test_one_that_was_killed_is_recovered(folder: Path) -> None:
    start_and_be_killed(folder)
    postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children()]
    for process in family:
        process.kill()
    psutil.wait_procs(family, 10)
    server = EmbeddedPostgres(folder)
    try:
        assert ask(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_number_that_belongs_to_somebody_else_by_now_is_not_taken_for_the_server(
    folder: Path,
) -> None:
    """In a container every start counts processes from 1: a killed server's number is soon another's."""
    somebody = psutil.Process().ppid()
    (folder / "postmaster.pid").write_text(
        f"{somebody}\n{folder}\n1700000000\n5432\n{folder}\n\n1 1\nready   \n"
    )
    server = EmbeddedPostgres(folder)
    try:
        assert ask(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_folder_too_deep_for_a_socket_has_one_elsewhere(folder: Path, apart: Path) -> None:
    deep = apart / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir()
    folder.rename(deep)
    server = EmbeddedPostgres(deep)
    try:
        assert ask(server, "SELECT 1") == 1
    finally:
        server.stop()
        deep.rename(folder)


def test_a_folder_with_something_else_in_it_is_left_alone_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "holiday.jpg").write_text("mine")
    with pytest.raises(CannotStart, match=f"PostgreSQL does not start in {folder}"):
        EmbeddedPostgres(folder)
    assert (folder / "holiday.jpg").read_text() == "mine"
