"""A bundle verifies offline, and whatever is done to it shows."""

import json
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fake_platform import FakePlatform
from homeward.client import bundle
from homeward.client.session import Refused, Session
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


def damaged(tmp_path: Path, **changed: bytes | None) -> Path:
    """The bundle with parts changed, or taken away (None)."""
    parts = {**resources(LEAVES), **{name.replace("_", "/"): part for name, part in changed.items()}}
    return write(tmp_path / "b.zip", {name: part for name, part in parts.items() if part is not None})


def serve(fake: FakePlatform, parts: dict[str, bytes]) -> None:
    for name, content in parts.items():
        fake.answers["GET", f"/log/{name}"] = (200, content)


def test_it_is_fetched_from_the_public_log(session: Session, fake: FakePlatform, tmp_path: Path) -> None:
    serve(fake, resources(LEAVES))
    told: list[tuple[int, int]] = []
    assert bundle.fetch(session, tmp_path / "b.zip", lambda done, total: told.append((done, total))) == 600
    assert fake.tokens_granted == 0, "whoever verifies need not be known to the platform"
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert bundle.verify(tmp_path / "b.zip").size == 600


def test_a_fetch_that_fails_leaves_what_was_there(
    session: Session, fake: FakePlatform, tmp_path: Path
) -> None:
    serve(fake, {name: part for name, part in resources(LEAVES).items() if name != "tile/entries/001"})
    (tmp_path / "b.zip").write_text("yesterday's")
    with pytest.raises(Refused):
        bundle.fetch(session, tmp_path / "b.zip")
    assert [path.name for path in tmp_path.glob("*b.zip*")] == ["b.zip"]
    assert (tmp_path / "b.zip").read_text() == "yesterday's"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512])
def test_any_size_verifies(tmp_path: Path, size: int) -> None:
    leaves = leaves_of([("/a", n) for n in range(1, size + 1)])
    found = bundle.verify(write(tmp_path / "b.zip", resources(leaves)), VKEY)
    assert (found.size, found.sources) == (size, {"/a": size} if size else {})


def test_a_changed_entry_shows(tmp_path: Path) -> None:
    first = resources(LEAVES)["tile/entries/000"]
    changed = first.replace(b'"/a", "sequence": 17,', b'"/a", "sequence": 71,')
    assert changed != first
    with pytest.raises(ValueError, match="do not hash to the root"):
        bundle.verify(damaged(tmp_path, tile_entries_000=changed), VKEY)


def test_swapped_entries_show(tmp_path: Path) -> None:
    first, second = LEAVES[:256], LEAVES[256:512]
    swapped = {"tile_entries_000": encode_bundle(second), "tile_entries_001": encode_bundle(first)}
    with pytest.raises(ValueError, match="do not hash to the root"):
        bundle.verify(damaged(tmp_path, **swapped), VKEY)


def test_a_missing_part_shows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lacks a part of the log: .*tile/entries/001"):
        bundle.verify(damaged(tmp_path, tile_entries_001=None), VKEY)
    with pytest.raises(ValueError, match=r"lacks a part of the log: .*checkpoint"):
        bundle.verify(damaged(tmp_path, checkpoint=None), VKEY)


def test_a_cut_tail_shows(tmp_path: Path) -> None:
    tail = {"tile/entries/002.p/88": encode_bundle(LEAVES[512:590])}
    with pytest.raises(ValueError, match="10 are missing"):
        bundle.verify(write(tmp_path / "b.zip", resources(LEAVES) | tail), VKEY)


def test_a_tail_that_was_added_shows(tmp_path: Path) -> None:
    tail = {"tile/entries/002.p/88": encode_bundle(LEAVES[512:] + LEAVES[:1])}
    with pytest.raises(ValueError, match="covers only 600"):
        bundle.verify(write(tmp_path / "b.zip", resources(LEAVES) | tail), VKEY)


def test_an_older_checkpoint_does_not_hide_that_there_was_more(tmp_path: Path) -> None:
    """It verifies as what it is, a shorter log: who holds the newer one sees the difference in size."""
    older = resources(LEAVES[:512])
    assert bundle.verify(write(tmp_path / "b.zip", resources(LEAVES) | older), VKEY).size == 512


def test_a_checkpoint_of_other_entries_shows(tmp_path: Path) -> None:
    other = resources([*LEAVES[:-1], LEAVES[0]])["checkpoint"]
    with pytest.raises(ValueError, match="do not hash to the root"):
        bundle.verify(damaged(tmp_path, checkpoint=other), VKEY)


def test_a_checkpoint_signed_by_another_shows(tmp_path: Path) -> None:
    other = Signer(ORIGIN, b"\1" * 32)
    note = sign(Checkpoint(ORIGIN, 600, bytes(32)).format(), [other])
    for key in (VKEY, None):
        with pytest.raises(ValueError, match="sign"):
            bundle.verify(damaged(tmp_path, checkpoint=note), key)
    with pytest.raises(ValueError, match="sign"):
        bundle.verify(damaged(tmp_path), other.verifier_key.format())


@pytest.mark.parametrize(
    ("given", "missing"),
    [([1, 2, 4, 5], [(3, 3)]), ([3, 4], [(1, 2)]), ([1, 5, 9], [(2, 4), (6, 8)]), ([2, 1, 3], [])],
)
def test_a_gap_in_a_source_shows(tmp_path: Path, given: list[int], missing: bundle.Ranges) -> None:
    leaves = leaves_of([("/a", n) for n in given] + [("/b", 1)])
    found = bundle.verify(write(tmp_path / "b.zip", resources(leaves)), VKEY)
    assert found.gaps == ({"/a": missing} if missing else {})
    assert found.repeated == {}


def test_a_number_given_twice_shows(tmp_path: Path) -> None:
    leaves = leaves_of([("/a", 1), ("/a", 2), ("/a", 2), ("/a", 4), ("/b", 2)])
    found = bundle.verify(write(tmp_path / "b.zip", resources(leaves)), VKEY)
    assert found.repeated == {"/a": [2]}
    assert found.gaps == {"/a": [(3, 3)], "/b": [(1, 1)]}


@given(st.sets(st.integers(1, 60), min_size=1))
def test_gaps_are_exactly_what_is_missing(given: set[int]) -> None:
    ranges = bundle.gaps_of(given)
    missing = {n for first, last in ranges for n in range(first, last + 1)}
    assert missing == set(range(1, max(given))) - given


@pytest.mark.parametrize("leaf", [b"hello", b"[]", b"{}", b'{"source": "/a"}', b"\xff", b"7"])
def test_an_entry_that_names_no_source_is_named_by_its_index(tmp_path: Path, leaf: bytes) -> None:
    parts = resources([*LEAVES[:3], leaf])
    with pytest.raises(ValueError, match="entry 3 names no source"):
        bundle.verify(write(tmp_path / "b.zip", parts), VKEY)


def test_something_else_is_no_bundle(tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    for content in (b"hello", b"", b"PK\x03\x04" + bytes(100)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is no bundle"):
            bundle.verify(file)
    with pytest.raises(ValueError, match="cannot read"):
        bundle.verify(tmp_path)
    with pytest.raises(ValueError, match="cannot read"):
        bundle.verify(tmp_path / "none.zip")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_damaged_byte_passes_for_another_log(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        file = write(Path(folder) / "b.zip", resources(LEAVES[:40]))
        whole = file.read_bytes()
        at = data.draw(st.integers(0, len(whole) - 1))
        file.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
        try:
            found = bundle.verify(file, VKEY)
        except ValueError:
            return
        assert (found.size, found.sources) == (40, {"/a": 40}), "a byte that does not matter"
