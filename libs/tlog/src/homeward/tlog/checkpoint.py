"""Checkpoints: the text of a note that states a log's size and root (C2SP tlog-checkpoint)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from homeward.tlog.merkle import HASH_SIZE
from homeward.tlog.note import (
    NoteError,
    VerifiedSignature,
    VerifierKey,
    decode_base64,
    encode_base64,
    verified_signatures,
)

MAX_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`origin` names the log, `size` counts its leaves, `root` is 32 bytes; extension lines are opaque.

    Raises NoteError for an empty line, a newline within one, a root of another length or a size that is
    negative or beyond 2**63 - 1.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise NoteError("A checkpoint's lines are not empty.")
        if not 0 <= self.size <= MAX_SIZE:
            raise NoteError("A checkpoint's size is a number from 0 to 2**63 - 1.")
        if len(self.root) != HASH_SIZE:
            raise NoteError(f"A checkpoint's root has {HASH_SIZE} bytes, not {len(self.root)}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text. Raises NoteError for anything but the canonical form."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1]:
            raise NoteError("A checkpoint has at least three lines, each of which ends in a newline.")
        origin, size, root, *extensions = lines[:-1]
        if not (size.isascii() and size.isdigit() and len(size) <= 19) or (size[0] == "0" and size != "0"):
            raise NoteError("A checkpoint's size is a decimal number without leading zeros.")
        return cls(origin, int(size), decode_base64(root, "The checkpoint's root"), tuple(extensions))

    def format(self) -> str:
        """The note's text, to be signed: the inverse of `parse`."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def open_checkpoint(
    note: bytes, log_key: VerifierKey, witness_keys: Iterable[VerifierKey] = ()
) -> tuple[Checkpoint, list[VerifiedSignature]]:
    """The checkpoint in a note that the log signed, and the cosignatures of known witnesses on it.

    The origin must be the log key's name, so that one key cannot vouch for another log. Raises NoteError if
    the note is malformed, if the log did not sign it, if a signature by a key given here does not verify, or
    if it is of another log. How many witnesses are enough is the caller's policy; a witness counts once.
    """
    text, signatures = verified_signatures(note, [log_key, *witness_keys])
    if all(signature.key != log_key for signature in signatures):
        raise NoteError(f"The checkpoint is not signed by the log {log_key.name}.")
    checkpoint = Checkpoint.parse(text)
    if checkpoint.origin != log_key.name:
        raise NoteError(f"The checkpoint is of the log {checkpoint.origin}, not of {log_key.name}.")
    cosignatures = {signature.key: signature for signature in signatures if signature.key != log_key}
    return checkpoint, list(cosignatures.values())
