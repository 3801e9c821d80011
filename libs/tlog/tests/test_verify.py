import pytest

from homeward.tlog.checkpoint import Checkpoint
from homeward.tlog.merkle import EMPTY_ROOT, ProofError, leaf_hash, root_from_leaf_hashes
from homeward.tlog.note import NoteError, Signer, sign
from homeward.tlog.tiles import append
from homeward.tlog.verify import VerifiedLog, verify_log

LOG = Signer("log.example/cases", bytes(32))
ENTRIES = [b"entry %d" % number for number in range(600)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]
ROOT = root_from_leaf_hashes(HASHES)
NOTE = sign(Checkpoint("log.example/cases", 600, ROOT).format(), [LOG])
TILES = {(tile.level, tile.index): tile.data for tile in append(0, HASHES, lambda level, index: b"")}


def published(level: int, index: int) -> bytes:
    return TILES[level, index]


def test_a_whole_log_verifies() -> None:
    assert verify_log(NOTE, LOG.verifier_key, iter(ENTRIES)) == VerifiedLog(600, ROOT, "log.example/cases")
    assert verify_log(NOTE, LOG.verifier_key, ENTRIES, published).size == 600


def test_an_empty_log_verifies() -> None:
    note = sign(Checkpoint("log.example/cases", 0, EMPTY_ROOT).format(), [LOG])
    assert verify_log(note, LOG.verifier_key, []).root == EMPTY_ROOT
    with pytest.raises(ProofError, match=r"There is an entry 0, but .* covers only 0"):
        verify_log(note, LOG.verifier_key, [b"x"])


def test_missing_and_additional_entries_are_counted() -> None:
    with pytest.raises(ProofError, match=r"end before entry 597, .* covers 600: 3 are missing"):
        verify_log(NOTE, LOG.verifier_key, ENTRIES[:-3])
    with pytest.raises(ProofError, match=r"There is an entry 600, .* covers only 600"):
        verify_log(NOTE, LOG.verifier_key, [*ENTRIES, b"more"])


@pytest.mark.parametrize("changed", [0, 255, 256, 599])
def test_a_changed_entry_is_found_and_named_when_tiles_are_published(changed: int) -> None:
    entries = [*ENTRIES[:changed], b"something else", *ENTRIES[changed + 1 :]]
    with pytest.raises(ProofError, match=r"600 entries do not hash to the root"):
        verify_log(NOTE, LOG.verifier_key, entries)
    with pytest.raises(
        ProofError, match=rf"^Entry {changed} is not the one that log\.example/cases published"
    ):
        verify_log(NOTE, LOG.verifier_key, entries, published)


def test_swapped_entries_are_found() -> None:
    with pytest.raises(ProofError, match="moved"):
        verify_log(NOTE, LOG.verifier_key, [ENTRIES[1], ENTRIES[0], *ENTRIES[2:]])


def test_another_logs_key_is_refused() -> None:
    with pytest.raises(NoteError, match="no signature by a key"):
        verify_log(NOTE, Signer("log.example/cases", bytes([1] * 32)).verifier_key, ENTRIES)
