"""Verification of a whole log from its entries, as a monitor of C2SP tlog-tiles does it."""

from collections.abc import Iterable
from dataclasses import dataclass

from homeward.tlog.checkpoint import open_checkpoint
from homeward.tlog.merkle import HASH_SIZE, CompactRange, ProofError, leaf_hash
from homeward.tlog.note import VerifierKey
from homeward.tlog.tiles import WIDTH, ReadTile


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log whose entries, all `size` of them, were found to hash to the signed `root` (32 bytes)."""

    size: int
    root: bytes
    origin: str


def verify_log(
    checkpoint_note: bytes, vkey: VerifierKey, leaves: Iterable[bytes], published: ReadTile | None = None
) -> VerifiedLog:
    """Check that `leaves`, every entry as stored and in order, are what the log `vkey` signed.

    The entries are read once and not kept. A root alone cannot tell which entry differs; with `published`,
    which reads the log's level 0 tiles, the error names the first one.

    Raises NoteError if the checkpoint is malformed, of another log, or not signed by this one; ProofError if
    entries are missing, too many, or different.
    """
    checkpoint, _ = open_checkpoint(checkpoint_note, vkey)
    log, size = checkpoint.origin, checkpoint.size
    tree = CompactRange()
    tile = b""
    for index, entry in enumerate(leaves):
        if index == size:
            raise ProofError(f"There is an entry {index}, but the checkpoint of {log} covers only {size}.")
        leaf = leaf_hash(entry)
        if published:
            at = index % WIDTH * HASH_SIZE
            tile = tile if at else published(0, index // WIDTH)
            if tile[at : at + HASH_SIZE] != leaf:
                raise ProofError(f"Entry {index} is not the one that {log} published there.")
        tree.append(leaf)
    if tree.size < size:
        raise ProofError(
            f"The entries end before entry {tree.size}, but the checkpoint of {log} covers {size}: "
            f"{size - tree.size} are missing."
        )
    if tree.root() != checkpoint.root:
        raise ProofError(
            f"The {size} entries do not hash to the root that {log} signed: "
            f"at least one of them was changed, moved or replaced."
        )
    return VerifiedLog(size, checkpoint.root, log)
