"""Fixtures for tests that need real servers.

One Kafka and one PostgreSQL serve the whole session; each test has a database of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from harness.kafka import Kafka, start_kafka
from harness.postgres import Postgres, start_postgres


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """Tests share the broker: name topics and groups uniquely."""
    with start_kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with start_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database for this test alone.

    Not a transaction rolled back: the relay and the consumers commit on connections of their own.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
