"""The log's key file."""

import stat
from pathlib import Path

import pytest

from homeward.audit.configure import write_log_key
from homeward.audit.signing import LogKeyUnusable, read_signer


def test_a_fresh_key_is_its_owners_alone_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    assert write_log_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = read_signer(path, "log.example/cases").verifier_key
    assert not write_log_key(path)
    assert read_signer(path, "log.example/cases").verifier_key == first
    assert first.name == "log.example/cases"


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_a_file_without_a_seed_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(LogKeyUnusable, match="64 hexadecimal digits"):
        read_signer(path, "log.example/cases")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    write_log_key(path)
    path.chmod(0o640)
    with pytest.raises(LogKeyUnusable, match="chmod 600"):
        read_signer(path, "log.example/cases")


def test_a_missing_file_and_an_unusable_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    with pytest.raises(LogKeyUnusable, match="cannot read"):
        read_signer(path, "log.example/cases")
    write_log_key(path)
    with pytest.raises(LogKeyUnusable, match="origin"):
        read_signer(path, "log example")
