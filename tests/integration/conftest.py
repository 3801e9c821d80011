"""The platform's processes, once for all tests of this folder, on a Kafka of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from harness.kafka import start_kafka
from harness.platform import Platform, running_platform
from harness.postgres import Postgres
from homeward.client.credentials import Credentials
from homeward.client.session import Session


async def forget_topics(bootstrap: str) -> None:
    """A broker that was given may hold the topics of an earlier run."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        ours = [topic for topic in await admin.list_topics() if topic.startswith("homeward.")]
        if ours:
            await admin.delete_topics(ours)
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Platform]:
    """All roles of all services, ready."""
    folder: Path = tmp_path_factory.mktemp("platform")
    with start_kafka() as broker:
        asyncio.run(forget_topics(broker.bootstrap))
        with running_platform(folder, postgres, broker) as running:
            yield running


@pytest.fixture
def staff(platform: Platform) -> Iterator[dict[str, Session]]:
    """A session of each of the platform's own staff, by role."""
    folder = platform.folder / "credentials"
    sessions = {
        role: Session(Credentials.read(folder / f"{role}.json"))
        for role in ("operator", "caseworker", "reviewer", "auditor")
    }
    yield sessions
    for session in sessions.values():
        session.close()
