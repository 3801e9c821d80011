"""A fake platform, credentials for it, and a session of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.fake_platform import FakePlatform, fake_platform
from homeward.client.credentials import Credentials, create
from homeward.client.session import Session


@pytest.fixture
def fake() -> Iterator[FakePlatform]:
    with fake_platform() as platform:
        yield platform


@pytest.fixture
def credentials(fake: FakePlatform, tmp_path: Path) -> Path:
    path = tmp_path / "me.json"
    create(path, fake.base_url, "me")
    return path


@pytest.fixture
def session(credentials: Path) -> Iterator[Session]:
    with Session(Credentials.read(credentials)) as connected:
        yield connected
