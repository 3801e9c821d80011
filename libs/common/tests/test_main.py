"""Every role starts when it can, says in one line why it cannot, and ends in good order when asked."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from harness.ports import free_port
from harness.world import World
from homeward.common import jose
from homeward.common.broker import lag
from homeward.common.contracts import SubjectErased
from homeward.common.envelope import topic_of
from homeward.common.ids import new_id
from homeward.common.main import run, together
from homeward.common.parts import Service

from .noting import TINY, Settings, create_service, until
from .test_relay import all_published, say

PATIENCE = 90.0
"""Seconds: a process needs some to begin with, and several at once on a loaded machine need many."""
READY = "http://127.0.0.1:{}/readyz"


def environment(**settings: str) -> dict[str, str]:
    """An environment with these settings of the tiny service and no others."""
    path = os.pathsep.join([str(TINY), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TINY_")}
    return {**kept, "PYTHONPATH": path, **{f"TINY_{name}".upper(): value for name, value in settings.items()}}


@asynccontextmanager
async def role(*arguments: str, **settings: str) -> AsyncIterator[Process]:
    """A process of the tiny service; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "homeward.tiny",
        *arguments,
        env=environment(**settings),
        stderr=PIPE,
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def told_and_ended(process: Process) -> tuple[int, str]:
    """How a process ended by itself, and what it said on standard error."""
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert out == b""
    assert process.returncode is not None
    return process.returncode, err.decode()


async def is_ready(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(READY.format(port))).status_code == 200
        except httpx.TransportError:
            return False


async def test_every_role_does_its_work_and_ends_on_sigterm(world: World, database: str) -> None:
    common = {"database_url": database, "broker_url": database, "topic_partitions": "2"}
    ports = {name: free_port() for name in ("serve", "consume", "relay")}
    roles = [role(name, port=str(port), **common) for name, port in ports.items()]
    async with roles[0] as serving, roles[1] as consuming, roles[2] as relaying:
        async with role("migrate", **common) as migrating:  # all others wait for it
            code, err = await told_and_ended(migrating)
            assert code == 0, err
        for port in ports.values():
            await until(lambda port=port: is_ready(port), PATIENCE)  # type: ignore[misc]
        service = await world.start(create_service, Settings)
        said = {"": await say(service, 3)}
        await until(lambda: all_published(world, said), PATIENCE)
        # The keyring is away from these processes: something for whose handling no key is needed.
        await world.publish(SubjectErased(erasure_id=new_id(), subjects=("x",), erased_at=world.now))
        await until(lambda: caught_up(world), PATIENCE)
        for process in (serving, consuming, relaying):
            process.send_signal(signal.SIGTERM)
        for process in (serving, consuming, relaying):
            code, err = await told_and_ended(process)
            assert code == 0, err
            assert not [line for line in map(json.loads, err.splitlines()) if line["level"] == "error"], err


async def caught_up(world: World) -> bool:
    return await lag(world.broker, "tiny", [topic_of("keyring")]) == 0


async def test_a_role_that_waits_ends_on_sigterm_too() -> None:
    nowhere = f"postgresql+asyncpg://127.0.0.1:{free_port()}/nothing"
    async with role("consume", database_url=nowhere, broker_url=nowhere, port="0") as process:
        assert process.stderr is not None
        line = json.loads(await asyncio.wait_for(process.stderr.readline(), PATIENCE))
        assert line["message"] == "waiting for broker, database"
        process.send_signal(signal.SIGTERM)
        assert await told_and_ended(process) == (0, "")


def secret(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


GOOD = {"database_url": "postgresql+asyncpg://127.0.0.1:1/x", "broker_url": "kafka://127.0.0.1:1"}
BAD_SETTINGS = {
    "no database": ({"database_url": ""}, "TINY_DATABASE_URL"),
    "another database": ({"database_url": "mysql://root:SECRET@x/y"}, "TINY_DATABASE_URL"),
    "a URL that is none": ({"database_url": "postgresql+asyncpg://u:SECRET@x:port/y"}, "cannot start: "),
    "another broker": ({"broker_url": "redis://SECRET"}, "TINY_BROKER_URL"),
    "no port": ({"port": "SECRET"}, "TINY_PORT"),
    "two mistakes": ({"port": "-1", "topic_partitions": "0"}, "TINY_TOPIC_PARTITIONS, TINY_PORT"),
    "no such level": ({"log_level": "SECRET"}, "TINY_LOG_LEVEL"),
    "no such file": ({"database_url_file": "/nowhere/x"}, "cannot read /nowhere/x"),
    "no such key": ({"service_key_file": "/nowhere/x"}, "cannot read /nowhere/x"),
}


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Start a role that cannot start: its exit code, and what it says."""

    def start(*arguments: str, **settings: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tiny", *arguments])
        for name, value in settings.items():
            monkeypatch.setenv(f"TINY_{name}".upper(), value)
        with pytest.raises(SystemExit) as ended:
            run("tiny", Settings, create_service)
        said = capsys.readouterr()
        assert said.out == ""
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.err

    return start


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_are_told_in_one_line(start: Callable[..., tuple[int, str]], case: str) -> None:
    settings, told = BAD_SETTINGS[case]
    code, err = start("serve", **{**GOOD, **settings})
    assert (code, len(err.splitlines())) == (2, 1), err
    assert err.startswith("homeward tiny: ")
    assert told in err
    assert "SECRET" not in err


@pytest.mark.parametrize(
    ("setting", "text", "mode", "told"),
    [
        ("database_url_file", "postgresql+asyncpg://u:SECRET@x/y", 0o644, "can be read by others"),
        ("database_url_file", "mysql://u:SECRET@x/y", 0o600, "must hold a URL that starts"),
        (
            "service_key_file",
            json.dumps(jose.new_key().as_dict(private=True)),
            0o644,
            "can be read by others",
        ),
        ("service_key_file", "SECRET", 0o600, "must hold a private Ed25519 key (JWK)"),
        (
            "service_key_file",
            json.dumps(jose.public_jwk(jose.new_key())),
            0o600,
            "must hold a private Ed25519",
        ),
    ],
)
def test_secrets_that_cannot_be_used_are_told_in_one_line(
    start: Callable[..., tuple[int, str]], tmp_path: Path, setting: str, text: str, mode: int, told: str
) -> None:
    path = tmp_path / "secret"
    secret(path, text)
    path.chmod(mode)
    code, err = start("serve", **{**GOOD, setting: str(path)})
    assert (code, len(err.splitlines())) == (2, 1), err
    assert told in err
    assert "SECRET" not in err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "now"]])
def test_bad_usage_is_told_in_one_line(start: Callable[..., tuple[int, str]], arguments: list[str]) -> None:
    assert start(*arguments) == (2, "usage: python -m homeward.tiny serve|consume|relay|migrate\n")


async def test_a_port_that_is_taken_is_told(world: World, service: Service, database: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with role("serve", database_url=database, broker_url=database, port=str(port)) as process:
            code, err = await told_and_ended(process)
    assert code == 2
    assert (
        err.splitlines()[-1]
        == f"homeward tiny: cannot listen on 127.0.0.1 port {port}: Address already in use"
    )


async def test_the_database_url_may_be_in_a_file(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://u:p@x/y"
    settings = Settings(database_url_file=Path(secret(tmp_path / "url", f"{url}\n")))
    assert settings.database_url == settings.direct_database_url == url


async def test_when_one_part_fails_all_end_and_the_failure_is_let_out() -> None:
    ended: list[str] = []
    stop = asyncio.Event()

    async def works() -> None:
        await stop.wait()
        ended.append("in good order")

    async def fails() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await together(stop, works(), fails(), works())
    assert ended == ["in good order"] * 2
