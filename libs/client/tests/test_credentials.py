"""Credentials: for their owner alone, and when they cannot be used, why."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from homeward.client.credentials import Credentials, CredentialsUnusable, create

KEY = OKPKey.generate_key("Ed25519", private=True)
GOOD: dict[str, Any] = {
    "base_url": "https://homeward.example/",
    "client_id": "me",
    "private_jwk": KEY.as_dict(private=True),
}


def write(folder: Path, content: object) -> Path:
    path = folder / "c.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_was_made_is_read(tmp_path: Path) -> None:
    public = create(tmp_path / "c.json", "http://127.0.0.1:8080", "me")
    found = Credentials.read(tmp_path / "c.json")
    assert (found.base_url, found.client_id) == ("http://127.0.0.1:8080", "me")
    assert found.key.as_dict(private=False)["x"] == public["x"]
    assert "d" not in public


def test_they_are_for_their_owner_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    before = os.umask(0)
    try:
        create(path, "http://x", "me")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = path.read_text()
    with pytest.raises(CredentialsUnusable, match="there already; name another file"):
        create(path, "http://x", "me")
    assert path.read_text() == written


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnusable, match=r"cannot write .*none/c\.json: No such file"):
        create(tmp_path / "none" / "c.json", "http://x", "me")


def test_the_slash_at_the_end_of_the_address_does_not_matter(tmp_path: Path) -> None:
    assert Credentials.read(write(tmp_path, GOOD)).base_url == "https://homeward.example"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no credentials file"),
        ("\x00", "no credentials file"),
        ("[]", "no credentials file"),
        ("{}", "no credentials file"),
        ({**GOOD, "private_jwk": {}}, "no credentials file"),
        ({**GOOD, "private_jwk": "text"}, "no credentials file"),
        ({**GOOD, "private_jwk": KEY.as_dict(private=False)}, "no private Ed25519 key"),
        (
            {**GOOD, "private_jwk": OKPKey.generate_key("X25519", private=True).as_dict(private=True)},
            "no private Ed25519 key",
        ),
        ({**GOOD, "client_id": 7}, "must name base_url"),
        ({**GOOD, "base_url": 7}, "must name base_url"),
        ({**GOOD, "base_url": "homeward.example"}, "must name base_url"),
        ({**GOOD, "base_url": "localhost:8080"}, "must name base_url"),
        ({**GOOD, "base_url": "ftp://homeward.example"}, "must name base_url"),
        ({**GOOD, "base_url": "http://[::1"}, "must name base_url"),
    ],
)
def test_what_is_wrong_is_said_and_no_key_is_quoted(tmp_path: Path, content: object, why: str) -> None:
    with pytest.raises(CredentialsUnusable, match=why) as refused:
        Credentials.read(write(tmp_path, content))
    assert str(tmp_path / "c.json") in str(refused.value)
    assert str(KEY.as_dict(private=True)["d"]) not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnusable, match=r"cannot read .*none\.json: No such file"):
        Credentials.read(tmp_path / "none.json")
    with pytest.raises(CredentialsUnusable, match=r"cannot read .*Is a directory"):
        Credentials.read(tmp_path)
