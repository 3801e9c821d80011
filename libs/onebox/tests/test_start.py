"""What keeps the platform from starting is said in one line."""

import asyncio
import socket
from pathlib import Path

import pytest

from homeward.client.command import main
from homeward.onebox.edition import base_url_of, run
from homeward.onebox.folder import CannotStart, held


def why(data: Path, host: str = "127.0.0.1", port: int = 0) -> str:
    """Why it does not start; it never gets as far as its database."""

    def ready(base_url: str) -> None:
        raise AssertionError(f"ready at {base_url}")

    with pytest.raises(CannotStart) as refused:
        asyncio.run(run(data, host, port, asyncio.Event(), ready))
    assert not (data / "postgres" / "PG_VERSION").exists()
    [line] = str(refused.value).splitlines()
    return line


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert why(tmp_path, port=port) == (
            f"cannot listen on 127.0.0.1 port {port}: Address already in use. "
            "Give another --port (0 takes a free one) or --host."
        )


def test_a_host_that_is_not_this_machine(tmp_path: Path) -> None:
    assert "cannot listen on 192.0.2.1" in why(tmp_path, host="192.0.2.1")
    assert "cannot listen on no.such.host.invalid" in why(tmp_path, host="no.such.host.invalid")


def test_a_folder_that_is_taken_or_none(tmp_path: Path) -> None:
    with held(tmp_path):
        assert "is in use by another homeward" in why(tmp_path)
    (tmp_path / "file").write_text("")
    assert "cannot be used as a data folder" in why(tmp_path / "file")


def test_secrets_that_others_can_read_or_that_are_broken(tmp_path: Path) -> None:
    key = tmp_path / "secrets" / "intake.jwk"
    key.parent.mkdir()
    key.write_text("no json")
    key.chmod(0o644)
    assert f"{key} can be read by others (mode 0644); run chmod 600 on it" in why(tmp_path)
    key.chmod(0o600)
    assert f"a secret cannot be used: {key} must hold a private Ed25519 key" in why(tmp_path)


def test_the_address_that_others_are_told() -> None:
    assert base_url_of("127.0.0.1", 8080) == "http://127.0.0.1:8080"
    assert base_url_of("::1", 8080) == "http://[::1]:8080"


def test_an_unknown_log_level_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", "--log-level", "LOUD"])
    assert ended.value.code == 2
    assert "give DEBUG, INFO, WARNING or ERROR" in " ".join(capsys.readouterr().err.split())
