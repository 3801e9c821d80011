"""Merkle tree hashes and proofs of RFC 6962 section 2.1 (the same as RFC 9162 section 2.1).

Every hash is SHA-256, 32 bytes. A tree of `size` leaves has the leaves 0 to size - 1. A full subtree is
named `(level, index)`: it covers the 2**level leaves from index * 2**level on. Intervals are half-open.

Prover and verifier walk the tree the same way, from the root down, so that each names the intervals whose
hashes a proof holds; the verifier therefore knows a proof's exact length before it hashes anything.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Self

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""`node(level, index)` returns the 32-byte hash of a full subtree."""

Interval = tuple[int, int]


class ProofError(ValueError):
    """A proof, or a log, does not show what it claims. The message is a sentence for people."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one log entry, as stored: SHA-256(0x00 || entry). RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node from its two children: SHA-256(0x01 || left || right). RFC 9162 section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def root_from_leaf_hashes(leaf_hashes: Iterable[bytes]) -> bytes:
    """Root of the tree with these leaf hashes, read once and in order; `EMPTY_ROOT` when there are none."""
    return CompactRange().extend(leaf_hashes).root()


def full_subtree_root(hashes: bytes) -> bytes:
    """Root over a power of two of concatenated 32-byte hashes, which stand for equally large subtrees."""
    pair = 2 * HASH_SIZE
    while len(hashes) > HASH_SIZE:
        pairs = [hashes[at : at + pair] for at in range(0, len(hashes), pair)]
        hashes = b"".join([sha256(b"\x01" + children).digest() for children in pairs])
    return hashes


class CompactRange:
    """The right edge of a growing tree: one hash for each set bit of its size, largest subtree first.

    Appending costs about one hash a leaf and memory grows with the logarithm of the size, so it suits
    streams of millions. `size` and `peaks` are all that is needed to continue later.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Continue a range. Raises ValueError unless there is one 32-byte peak per set bit of `size`."""
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != HASH_SIZE for peak in peaks):
            raise ValueError(f"a range of {size} leaves does not have {len(peaks)} peaks like these")
        self._size = size
        self._peaks = list(peaks)

    @property
    def size(self) -> int:
        """Leaves appended so far."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Hashes of the maximal full subtrees, left to right."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf. Raises ValueError if it is not 32 bytes."""
        if len(leaf) != HASH_SIZE:
            raise ValueError(f"a leaf hash has {HASH_SIZE} bytes, not {len(leaf)}")
        ending = self._size
        while ending & 1:  # each trailing one is a full subtree that this leaf completes a sibling for
            leaf = node_hash(self._peaks.pop(), leaf)
            ending >>= 1
        self._peaks.append(leaf)
        self._size += 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> Self:
        """Add many leaf hashes in order; returns itself. Raises ValueError as `append` does."""
        for leaf in leaf_hashes:
            self.append(leaf)
        return self

    def root(self) -> bytes:
        """Root of the tree so far, 32 bytes."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_from_nodes(size: int, node: Node) -> bytes:
    """Root of the tree of `size` leaves, from the hashes of its maximal full subtrees."""
    return _interval_hash((0, size), node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, the leaf's sibling first.

    RFC 9162 section 2.1.3.1. Raises ValueError unless 0 <= index < size, and whatever `node` raises.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size} leaves")
    return [_interval_hash(interval, node) for interval in _siblings_of_leaf(index, size)]


def consistency_proof(size1: int, size2: int, node: Node) -> list[bytes]:
    """Proof that the tree of `size1` leaves is a prefix of that of `size2`. RFC 9162 section 2.1.4.1.

    Empty when the sizes are equal, and from the empty tree, about which there is nothing to prove (what the
    witness protocol asks for). Raises ValueError unless 0 <= size1 <= size2, and whatever `node` raises.
    """
    if not 0 <= size1 <= size2:
        raise ValueError(f"a tree of {size2} leaves has no prefix of {size1} leaves")
    if size1 == 0:
        return []
    seed, siblings = _siblings_of_prefix(size1, size2)
    return [_interval_hash(interval, node) for interval in seed + siblings]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the tree with `root` and `size` leaves has `leaf` (a leaf hash) at `index`.

    Raises ProofError. RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofError(f"There is no leaf {index} in a tree of {size} leaves.")
    if len(leaf) != HASH_SIZE:
        raise ProofError(f"The leaf hash has {len(leaf)} bytes, not {HASH_SIZE}.")
    siblings = _siblings_of_leaf(index, size)
    _check_shape(proof, len(siblings), f"inclusion of leaf {index} in a tree of {size} leaves")
    computed = leaf
    for (_, end), sibling in zip(siblings, proof, strict=True):
        computed = node_hash(sibling, computed) if end <= index else node_hash(computed, sibling)
    if computed != root:
        raise ProofError(f"The proof leads from leaf {index} to another root than that of the {size} leaves.")


def verify_consistency(size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (size1, root1) is a prefix of the tree (size2, root2).

    Raises ProofError, also for size1 = 0: whoever has seen nothing has nothing to compare. RFC 9162
    section 2.1.4.2.
    """
    if size1 <= 0:
        raise ProofError("An empty tree is a prefix of any tree, so there is nothing to verify.")
    if size1 > size2:
        raise ProofError(f"The later tree has {size2} leaves, fewer than the {size1} of the earlier one.")
    seed, siblings = _siblings_of_prefix(size1, size2)
    _check_shape(proof, len(seed) + len(siblings), f"consistency of {size1} leaves with {size2}")
    earlier = later = proof[0] if seed else root1
    for (_, end), sibling in zip(siblings, proof[len(seed) :], strict=True):
        if end <= size1:
            earlier = node_hash(sibling, earlier)
            later = node_hash(sibling, later)
        else:
            later = node_hash(later, sibling)
    if earlier != root1:
        raise ProofError(f"The proof does not lead to the root of the earlier tree of {size1} leaves.")
    if later != root2:
        raise ProofError(
            f"The tree of {size2} leaves does not continue the one of {size1}: it has another root."
        )


def _check_shape(proof: Sequence[bytes], length: int, claim: str) -> None:
    if len(proof) != length:
        raise ProofError(f"A proof of {claim} has {length} hashes, not {len(proof)}.")
    # Hashes of other lengths could be cut differently and still hash to the same node.
    if any(len(sibling) != HASH_SIZE for sibling in proof):
        raise ProofError(f"A proof of {claim} has a hash that is not {HASH_SIZE} bytes long.")


def _split(start: int, end: int) -> int:
    """Where an interval of two leaves or more is divided: after the largest power of two below its length."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _siblings_of_leaf(index: int, size: int) -> list[Interval]:
    """Intervals that join leaf `index` to the root, nearest first."""
    siblings = []
    start, end = 0, size
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def _siblings_of_prefix(size1: int, size2: int) -> tuple[list[Interval], list[Interval]]:
    """Intervals that join the last full subtree of the prefix to the root, nearest first.

    The first list holds that subtree itself, or nothing when it is the whole prefix, whose root is known.
    """
    siblings = []
    start, end = 0, size2
    while end != size1:
        middle = _split(start, end)
        if size1 <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return [(start, end)] if start else [], siblings[::-1]


def _interval_hash(interval: Interval, node: Node) -> bytes:
    """Merkle tree hash of a non-empty interval that the walk from the root produced."""
    start, end = interval
    length = end - start
    if length.bit_count() == 1:
        level = length.bit_length() - 1
        return node(level, start >> level)
    middle = _split(start, end)
    return node_hash(_interval_hash((start, middle), node), _interval_hash((middle, end), node))
