"""The tree against the definition in RFC 6962 section 2.1, written here once more, as the RFC states it."""

from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.tlog.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_from_leaf_hashes,
    root_from_nodes,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(140)]


def mth(leaves: list[bytes]) -> bytes:
    """Merkle Tree Hash, RFC 6962 section 2.1, over leaf hashes."""
    n = len(leaves)
    if n == 0:
        return sha256().digest()
    if n == 1:
        return leaves[0]
    k = 1
    while 2 * k < n:
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


ROOTS = [mth(LEAVES[:size]) for size in range(len(LEAVES) + 1)]


def node(level: int, index: int) -> bytes:
    return mth(LEAVES[index << level : (index + 1) << level])


def flips(data: bytes) -> Iterator[bytes]:
    """`data` with one bit changed in its first, a middle and its last byte."""
    for at in (0, len(data) // 2, len(data) - 1):
        yield data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def refused(verify: Callable[..., None], *arguments: object) -> None:
    with pytest.raises(ProofError):
        verify(*arguments)


def test_leaf_and_empty_tree_hashes_are_those_of_the_rfc() -> None:
    assert leaf_hash(b"") == sha256(b"\x00").digest()
    assert sha256(b"").digest() == EMPTY_ROOT == root_from_leaf_hashes([])


@pytest.mark.parametrize("size", range(len(LEAVES) + 1))
def test_roots_equal_the_definition(size: int) -> None:
    assert root_from_leaf_hashes(LEAVES[:size]) == ROOTS[size]
    assert root_from_nodes(size, node) == ROOTS[size]


@given(st.lists(st.integers(0, 30), max_size=12))
def test_a_range_grows_in_batches_and_continues_from_its_peaks(batches: list[int]) -> None:
    tree = CompactRange()
    for batch in batches:
        more = LEAVES[tree.size : tree.size + batch]
        tree = CompactRange(tree.size, tree.peaks).extend(more)
        assert tree.root() == ROOTS[tree.size]


@pytest.mark.parametrize(
    ("size", "peaks"), [(-1, []), (1, []), (0, [EMPTY_ROOT]), (2, [EMPTY_ROOT] * 2), (1, [b""])]
)
def test_a_range_refuses_peaks_that_do_not_fit_its_size(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peaks"):
        CompactRange(size, peaks)


def test_a_range_refuses_what_is_not_a_hash() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CompactRange().append(b"an entry, not its hash")


@pytest.mark.parametrize("size", range(1, 71))
def test_inclusion_holds_for_every_leaf_and_nothing_else(size: int) -> None:
    root = ROOTS[size]
    for index in range(size):
        leaf, proof = LEAVES[index], inclusion_proof(index, size, node)
        verify_inclusion(leaf, index, size, proof, root)
        for other in range(size + 1):
            if other != index:
                refused(verify_inclusion, leaf, other, size, proof, root)
        refused(verify_inclusion, leaf, -1, size, proof, root)
        refused(verify_inclusion, LEAVES[index + 1], index, size, proof, root)
        refused(verify_inclusion, leaf, index, size, [*proof, root], root)
        for at, sibling in enumerate(proof):
            refused(verify_inclusion, leaf, index, size, proof[:at] + proof[at + 1 :], root)
            for flipped in flips(sibling):
                refused(verify_inclusion, leaf, index, size, [*proof[:at], flipped, *proof[at + 1 :]], root)
        for flipped in flips(root):
            refused(verify_inclusion, leaf, index, size, proof, flipped)


@given(st.data())
def test_an_inclusion_proof_with_any_bit_flipped_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, node)
    bit = data.draw(st.integers(0, len(proof) * 256 - 1))
    joined = bytearray(b"".join(proof))
    joined[bit // 8] ^= 1 << bit % 8
    flipped = [bytes(joined[at : at + 32]) for at in range(0, len(joined), 32)]
    refused(verify_inclusion, LEAVES[index], index, size, flipped, ROOTS[size])


def test_consistency_holds_for_every_pair_of_sizes_and_nothing_else() -> None:
    for size2 in range(1, 41):
        for size1 in range(1, size2 + 1):
            proof = consistency_proof(size1, size2, node)
            root1, root2 = ROOTS[size1], ROOTS[size2]
            verify_consistency(size1, root1, size2, root2, proof)
            refused(verify_consistency, size1, root1, size2, root2, [*proof, root1])
            refused(verify_consistency, size1, ROOTS[size1 + 1], size2, root2, proof)
            refused(verify_consistency, size1, root1, size2, ROOTS[size2 + 1], proof)
            if size1 < size2:
                refused(verify_consistency, size2, root2, size1, root1, proof)
                refused(verify_consistency, size1, root2, size2, root1, proof)
            for at, sibling in enumerate(proof):
                refused(verify_consistency, size1, root1, size2, root2, proof[:at] + proof[at + 1 :])
                for flipped in flips(sibling):
                    changed = [*proof[:at], flipped, *proof[at + 1 :]]
                    refused(verify_consistency, size1, root1, size2, root2, changed)


@pytest.mark.parametrize("size", range(1, 41))
def test_consistency_refuses_other_sizes_with_the_same_roots(size: int) -> None:
    """Sizes are part of the claim. Some pairs share a proof's shape, but then not the way it is folded."""
    for size1 in range(1, size):
        proof = consistency_proof(size1, size, node)
        for other in range(1, size + 1):
            if other != size1:
                refused(verify_consistency, other, ROOTS[size1], size, ROOTS[size], proof)


def test_a_forked_log_has_no_consistency_proof() -> None:
    forked = [*LEAVES[:10], leaf_hash(b"another"), *LEAVES[11:30]]

    def forked_node(level: int, index: int) -> bytes:
        return mth(forked[index << level : (index + 1) << level])

    proof = consistency_proof(20, 30, forked_node)
    with pytest.raises(ProofError, match="earlier tree of 20 leaves"):
        verify_consistency(20, ROOTS[20], 30, mth(forked), proof)


def test_nothing_is_proved_about_an_empty_tree() -> None:
    assert consistency_proof(0, 5, node) == []
    with pytest.raises(ProofError, match="nothing to verify"):
        verify_consistency(0, EMPTY_ROOT, 5, ROOTS[5], [])


def test_hashes_cut_at_another_place_are_refused() -> None:
    left, right = LEAVES[0], LEAVES[1]
    with pytest.raises(ProofError, match="33 bytes, not 32"):
        verify_inclusion(left + right[:1], 0, 2, [right[1:]], ROOTS[2])
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(left, 0, 2, [right + b"\x00"], ROOTS[2])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_prover_refuses_leaves_that_do_not_exist(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size, node)


@pytest.mark.parametrize(("size1", "size2"), [(-1, 3), (4, 3)])
def test_a_prover_refuses_prefixes_that_do_not_exist(size1: int, size2: int) -> None:
    with pytest.raises(ValueError, match="no prefix"):
        consistency_proof(size1, size2, node)
