"""A fake platform, credentials for it, a session of them, and the command as it is run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.fake_platform import FakePlatform, fake_platform
from homeward.client.command import main
from homeward.client.credentials import Credentials, create
from homeward.client.session import Session


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


Homeward = Callable[..., Ran]


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


@pytest.fixture
def homeward(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Homeward:
    """``homeward("counts", "--as", file)``: the command, in this process, its output piped."""
    monkeypatch.delenv("HOMEWARD_CREDENTIALS", raising=False)

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, written.out, written.err)

    return run
