"""Secrets are made for their owner alone, and refused when others may read them."""

import json
import os
import stat
from pathlib import Path

import pytest

from homeward.common import jose
from homeward.common.secret_files import SecretUnusable, read_hex_secret, read_secret, write_secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_made_for_its_owner_alone_and_once(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert write_secret(path, "one")
    assert mode(path) == 0o600
    assert not write_secret(path, "two")
    assert read_secret(path) == "one"


def test_replacing_leaves_no_moment_without_a_secret_nor_with_half_of_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert write_secret(path, "one", replace=True)
    assert write_secret(path, "two", replace=True)
    assert read_secret(path) == "two"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("open_to", [0o640, 0o604, 0o660, 0o777])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, open_to: int) -> None:
    path = tmp_path / "secret"
    write_secret(path, "SECRET")
    path.chmod(open_to)
    placed_by_root = os.geteuid() != 0 == path.stat().st_uid
    if open_to == 0o640 and placed_by_root:
        pytest.skip("a group's secret, as Kubernetes places it")
    with pytest.raises(SecretUnusable, match="can be read by others") as refused:
        read_secret(path)
    assert "SECRET" not in str(refused.value)


def test_a_secret_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretUnusable, match="No such file"):
        read_secret(tmp_path / "secret")


@pytest.mark.parametrize("text", ["", "SECRET", "00" * 31, "00" * 33, "zz" * 32])
def test_a_hex_secret_has_sixty_four_digits(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    write_secret(path, text)
    with pytest.raises(SecretUnusable, match="must hold 64 hexadecimal digits"):
        read_hex_secret(path)
    write_secret(path, "0f" * 32 + "\n", replace=True)
    assert read_hex_secret(path) == b"\x0f" * 32


def test_a_key_is_read_as_it_was_written_and_named_by_its_thumbprint(tmp_path: Path) -> None:
    key = jose.new_key()
    path = tmp_path / "key"
    write_secret(path, json.dumps(key.as_dict(private=True)))
    read = jose.read_key(path)
    assert read.as_dict(private=True) == key.as_dict(private=True)
    assert read.kid == read.thumbprint() == key.kid
    assert "d" not in jose.public_jwk(read)


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"kty":"oct","k":"AAAA"}', '{"kty":"OKP","crv":"X"}'])
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    write_secret(path, text)
    with pytest.raises(SecretUnusable, match="must hold a private Ed25519 key"):
        jose.read_key(path)
