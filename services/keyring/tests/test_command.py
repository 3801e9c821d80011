"""``python -m homeward.keyring``: what an operator sees when a secret is not right."""

import os
import subprocess
import sys
from pathlib import Path


def started(secrets: Path, role: str = "serve", **changed: str) -> "subprocess.Popen[str]":
    settings = {
        "KEYRING_KEK_FILE": str(secrets / "kek"),
        "KEYRING_SERVICES_FILE": str(secrets / "services.json"),
        "KEYRING_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:9/none",
        **changed,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "homeward.keyring", role],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(secrets: Path, role: str = "serve", **changed: str) -> "subprocess.CompletedProcess[str]":
    with started(secrets, role, **changed) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_key_that_others_may_read_is_refused_in_one_line(secrets: Path) -> None:
    (secrets / "kek").chmod(0o644)
    ended = run(secrets)
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"homeward keyring: cannot start: {secrets}/kek can be read by others (mode 0644)")
    assert line.endswith("run chmod 600 on it")


def test_a_services_file_that_is_not_valid_is_named_in_one_line(secrets: Path) -> None:
    (secrets / "services.json").write_text("[]")
    ended = run(secrets)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"homeward keyring: cannot start: services file {secrets}/services.json: must be an object"
    ]


def test_rotating_without_a_database_fails_in_one_line_and_leaves_the_keys(secrets: Path) -> None:
    before = (secrets / "kek").read_text()
    ended = run(secrets, "rotate")
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("homeward keyring: ConnectionRefusedError")
    assert (secrets / "kek").read_text() == before
    assert not (secrets / "kek.next").exists()
