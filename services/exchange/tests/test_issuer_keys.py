"""The issuer's key is changed step by step, and at each step every token is good at every process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from homeward.common import jose
from homeward.common.secret_files import SecretUnusable, write_secret
from homeward.common.tokens import IssuerVerifier
from homeward.exchange.configure import configure
from homeward.exchange.issuer import Issuer
from homeward.exchange.issuer_keys import read_issuer_keys, take_step

URL = "https://homeward.example"
NOW = 1_736_242_200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    configure(tmp_path, URL)
    return tmp_path / "issuer.jwk"


def started(path: Path) -> Issuer:
    """A process of exchange that was started with the files as they are."""
    return Issuer(URL, read_issuer_keys(path))


def token_of(issuer: Issuer) -> str:
    claims = {"iss": URL, "aud": URL, "exp": NOW + 300, "client_id": "a", "org": "a", "role": "partner"}
    return jose.sign({**claims, "scope": "events:read"}, issuer.keys[0])


async def opens(token: str, at: Issuer) -> bool:
    """Whether a service that asks this process for what is published takes the token."""

    async def published() -> dict[str, Any]:
        return at.standing(NOW)

    try:
        await IssuerVerifier(URL, published, now=lambda: NOW).verify(token)
    except jose.TokenRefused:
        return False
    return True


async def test_while_processes_are_restarted_one_after_another_every_token_holds(path: Path) -> None:
    before = started(path)
    signing = [before.keys[0].kid]
    for _ in range(3):
        told = take_step(path)
        after = started(path)
        for issuer in (before, after):
            for asked in (before, after):
                assert await opens(token_of(issuer), asked), told
                assert set(issuer.nonces(NOW)[:2]) <= {*asked.nonces(NOW)}, told
        signing.append(after.keys[0].kid)
        before = after
    assert [kid == signing[0] for kid in signing] == [True, True, False, False]
    assert signing[2] == signing[3]
    assert [one.name for one in path.parent.glob("issuer.jwk*")] == ["issuer.jwk"]


async def test_a_former_key_opens_nothing_once_it_is_gone(path: Path) -> None:
    token = token_of(started(path))
    for _ in range(3):
        take_step(path)
    assert not await opens(token, started(path))


def test_only_public_halves_are_published(path: Path) -> None:
    take_step(path)
    keys = started(path).standing(NOW)["keys"]
    assert len(keys) == len({key["kid"] for key in keys}) == 2
    assert all("d" not in key for key in keys)


def test_what_a_crash_left_half_done_is_finished(path: Path) -> None:
    take_step(path)
    former = path.read_text()
    write_secret(path.with_name("issuer.jwk.retiring"), former)  # and then the power was gone
    take_step(path)
    assert path.with_name("issuer.jwk.retiring").read_text() == former
    assert path.read_text() != former
    assert not path.with_name("issuer.jwk.next").exists()


def test_the_files_are_their_owners_alone(path: Path) -> None:
    for _ in range(2):
        take_step(path)
        assert {one.stat().st_mode & 0o077 for one in path.parent.glob("issuer.jwk*")} == {0}
    path.with_name("issuer.jwk.retiring").chmod(0o644)
    with pytest.raises(SecretUnusable, match="chmod 600"):
        read_issuer_keys(path)


def test_the_command_says_what_to_do_next(path: Path) -> None:
    command = [sys.executable, "-m", "homeward.exchange.issuer_keys"]
    said = subprocess.run([*command, str(path.parent)], capture_output=True, text=True, check=True)
    assert "issuer.jwk.next" in said.stdout
    assert json.loads(path.with_name("issuer.jwk.next").read_text())["d"]
    for arguments in ([str(path / "nowhere")], []):
        failed = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert len(failed.stderr.splitlines()) == 1
