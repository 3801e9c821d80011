"""The platform's processes, once for all tests of this folder, on a Kafka of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from harness.kafka import start_kafka
from harness.platform import Platform, running_platform
from harness.postgres import Postgres
from homeward.client.credentials import Credentials
from homeward.client.session import Session
from homeward.onebox.demo.partners import PARTNERS, PartnerFeed


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
def ngo(platform: Platform, staff: dict[str, Session]) -> Iterator[Callable[[str], PartnerFeed]]:
    """Registers an NGO of that name, and lets go of its connections at the end."""
    profile = next(profile for profile in PARTNERS if profile["kind"] == "NGO")
    registered = []

    def register(name: str) -> PartnerFeed:
        feed = PartnerFeed.register({**profile, "agency": name}, staff["operator"], platform.folder)
        registered.append(feed)
        return feed

    yield register
    for feed in registered:
        feed.session.close()


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
