"""A bundle verifies offline, and whatever is done to it shows."""

import json
import zipfile
from pathlib import Path

import pytest

from harness.fake_platform import FakePlatform
from homeward.client import bundle
from homeward.client.session import Session
from homeward.tlog.checkpoint import Checkpoint
from homeward.tlog.merkle import leaf_hash, root_from_leaf_hashes
from homeward.tlog.note import Signer, sign
from homeward.tlog.tiles import encode_bundle

ORIGIN = "test.example/log"
SIGNER = Signer(ORIGIN, bytes(32))
VKEY = SIGNER.verifier_key.format()


def leaves_of(sequences: list[tuple[str, int]]) -> list[bytes]:
    return [json.dumps({"source": s, "sequence": n, "v": 1}).encode() for s, n in sequences]


def resources(leaves: list[bytes]) -> dict[str, bytes]:
    root = root_from_leaf_hashes(leaf_hash(leaf) for leaf in leaves)
    note = sign(Checkpoint(ORIGIN, len(leaves), root).format(), [SIGNER])
    found = {"checkpoint": note, "vkey": (VKEY + "\n").encode()}
    for index, path in enumerate(bundle.entry_paths(len(leaves))):
        found[path] = encode_bundle(leaves[index * 256 : (index + 1) * 256])
    return found


def write(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, content in parts.items():
            out.writestr(name, content)
    return path


LEAVES = leaves_of([("/a", n) for n in range(1, 401)] + [("/b", n) for n in range(1, 201)])


def test_a_whole_log_verifies(tmp_path: Path) -> None:
    found = bundle.verify(write(tmp_path / "b.zip", resources(LEAVES)), VKEY)
    assert (found.size, found.origin, found.gaps) == (600, ORIGIN, {})
    assert found.sources == {"/a": 400, "/b": 200}


def test_it_is_fetched_from_the_public_log(session: Session, fake: FakePlatform, tmp_path: Path) -> None:
    for name, content in resources(LEAVES).items():
        fake.answers["GET", f"/log/{name}"] = (200, content)
    assert bundle.fetch(session, tmp_path / "b.zip") == 600
    assert fake.tokens_granted == 0
    assert bundle.verify(tmp_path / "b.zip").size == 600


def test_a_changed_entry_shows(tmp_path: Path) -> None:
    parts = resources(LEAVES)
    parts["tile/entries/000"] = parts["tile/entries/000"].replace(
        b'"/a", "sequence": 17,', b'"/a", "sequence": 71,'
    )
    with pytest.raises(ValueError, match="do not hash to the root"):
        bundle.verify(write(tmp_path / "b.zip", parts), VKEY)


def test_a_missing_part_shows(tmp_path: Path) -> None:
    parts = resources(LEAVES)
    del parts["tile/entries/001"]
    with pytest.raises(ValueError, match="lacks a part of the log"):
        bundle.verify(write(tmp_path / "b.zip", parts), VKEY)


def test_a_cut_tail_shows(tmp_path: Path) -> None:
    parts = {**resources(LEAVES), "tile/entries/002.p/88": encode_bundle(LEAVES[512:590])}
    with pytest.raises(ValueError, match="10 are missing"):
        bundle.verify(write(tmp_path / "b.zip", parts), VKEY)


def test_another_logs_checkpoint_shows(tmp_path: Path) -> None:
    other = Signer(ORIGIN, b"\1" * 32)
    with pytest.raises(ValueError, match="sign"):
        bundle.verify(write(tmp_path / "b.zip", resources(LEAVES)), other.verifier_key.format())


@pytest.mark.parametrize(
    ("sequences", "missing"),
    [([1, 2, 4, 5], [(3, 3)]), ([3, 4], [(1, 2)]), ([1, 5, 9], [(2, 4), (6, 8)])],
)
def test_a_gap_in_a_source_shows(
    tmp_path: Path, sequences: list[int], missing: list[tuple[int, int]]
) -> None:
    leaves = leaves_of([("/a", n) for n in sequences])
    found = bundle.verify(write(tmp_path / "b.zip", resources(leaves)), VKEY)
    assert found.gaps == {"/a": missing}


def test_a_number_given_twice_shows() -> None:
    _, gaps = bundle.completeness(leaves_of([("/a", 1), ("/a", 2), ("/a", 2)]))
    assert "/a" in gaps


def test_something_else_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_text("hello")
    with pytest.raises(ValueError, match="is no bundle"):
        bundle.verify(tmp_path / "b.zip")
