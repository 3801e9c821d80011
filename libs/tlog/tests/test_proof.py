from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.tlog.checkpoint import Checkpoint
from homeward.tlog.merkle import ProofError, inclusion_proof, leaf_hash, root_from_leaf_hashes
from homeward.tlog.note import Cosigner, NoteError, Signer, sign
from homeward.tlog.proof import LogProof
from homeward.tlog.tiles import append, node_reader

LEAVES = [leaf_hash(bytes([number])) for number in range(11)]
LOG = Signer("log.example/cases", bytes(32))
WITNESS = Cosigner("witness.example/one", bytes([1] * 32))
TEXT = Checkpoint("log.example/cases", 11, root_from_leaf_hashes(LEAVES)).format()
NOTE = sign(TEXT, [LOG]) + WITNESS.line(TEXT, 99).encode()
TILES = {(tile.level, tile.index): tile.data for tile in append(0, LEAVES, lambda level, index: b"")}


def proof_of(index: int, extra: bytes = b"") -> LogProof:
    hashes = inclusion_proof(index, 11, node_reader(lambda *tile: TILES[tile]))
    return LogProof(index, tuple(hashes), NOTE, extra)


def test_the_file_is_laid_out_as_the_specification_says() -> None:
    proof = proof_of(10, b"context")
    lines = [b64encode(sibling).decode() for sibling in proof.hashes]
    assert len(lines) == 2
    head = f"c2sp.org/tlog-proof@v1\nextra Y29udGV4dA==\nindex 10\n{lines[0]}\n{lines[1]}\n\n"
    assert proof.format() == head.encode() + NOTE


@pytest.mark.parametrize("index", range(11))
def test_a_file_verifies_offline(index: int) -> None:
    proof = LogProof.parse(proof_of(index, b"x" * index).format())
    assert proof == proof_of(index, b"x" * index)
    checkpoint, cosignatures = proof.verify(LEAVES[index], LOG.verifier_key, [WITNESS.verifier_key])
    assert checkpoint.size == 11
    assert [(one.key.name, one.time) for one in cosignatures] == [("witness.example/one", 99)]


def test_another_leaf_index_or_checkpoint_is_refused() -> None:
    proof = proof_of(3)
    with pytest.raises(ProofError, match="another root"):
        proof.verify(LEAVES[4], LOG.verifier_key)
    with pytest.raises(ProofError, match="another root"):
        LogProof(2, proof.hashes, NOTE).verify(LEAVES[3], LOG.verifier_key)
    with pytest.raises(ProofError, match="no leaf 11"):
        LogProof(11, proof.hashes, NOTE).verify(LEAVES[3], LOG.verifier_key)
    with pytest.raises(NoteError, match="does not fit"):
        LogProof(3, proof.hashes, NOTE.replace(b"\n11\n", b"\n12\n")).verify(LEAVES[3], LOG.verifier_key)


@given(st.data())
def test_a_changed_byte_before_the_checkpoint_never_verifies(data: st.DataObject) -> None:
    good = proof_of(7).format()
    at = data.draw(st.integers(0, good.index(b"\n\n") + 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((ProofError, NoteError)):
        LogProof.parse(bytes(changed)).verify(LEAVES[7], LOG.verifier_key)


HASH = b64encode(bytes(32)).decode()


def test_a_tree_of_one_entry_has_a_proof_without_hashes() -> None:
    assert LogProof.parse(b"c2sp.org/tlog-proof@v1\nindex 0\n\nnote") == LogProof(0, (), b"note")


@pytest.mark.parametrize(
    "head",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v2\nindex 0",
        "c2sp.org/tlog-proof@v1\r\nindex 0",
        "c2sp.org/tlog-proof@v1\nextra AA==",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0",
        "c2sp.org/tlog-proof@v1\nextra AB==\nindex 0",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AA==",
        "c2sp.org/tlog-proof@v1\nindex ",
        "c2sp.org/tlog-proof@v1\nindex 01",
        "c2sp.org/tlog-proof@v1\nindex -1",
        "c2sp.org/tlog-proof@v1\nindex ٣",
        f"c2sp.org/tlog-proof@v1\nindex {2**63}",
        f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH[:-1]}",
        f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH} ",
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA",
        "c2sp.org/tlog-proof@v1\nindex 1" + f"\n{HASH}" * 64,
    ],
)
def test_any_other_form_is_refused(head: str) -> None:
    with pytest.raises(ProofError):
        LogProof.parse(f"{head}\n\n".encode() + NOTE)


def test_a_file_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(ProofError, match="ends with a checkpoint"):
        LogProof.parse(b"c2sp.org/tlog-proof@v1\nindex 0\n")
