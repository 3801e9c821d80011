"""`.tlog-proof` files: an inclusion proof together with the checkpoint it leads to (C2SP tlog-proof)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from homeward.tlog.checkpoint import MAX_SIZE, Checkpoint, open_checkpoint
from homeward.tlog.merkle import HASH_SIZE, ProofError, verify_inclusion
from homeward.tlog.note import NoteError, VerifiedSignature, VerifierKey, decode_base64, encode_base64

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = MAX_SIZE.bit_length()

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class LogProof:
    """Shows, without the log, that it holds an entry at `index`.

    `hashes` is the inclusion proof, leaf's sibling first, 32 bytes each; `checkpoint` the signed note,
    verbatim; `extra` (none when empty) is for the application and authenticated by nothing. Raises
    ProofError for an index beyond 2**63 - 1, a hash of another length, or more hashes than any tree needs.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_SIZE:
            raise ProofError("The proof is of an entry that no log can have.")
        if len(self.hashes) > MAX_HASHES or any(len(sibling) != HASH_SIZE for sibling in self.hashes):
            raise ProofError(f"A proof is at most {MAX_HASHES} hashes of {HASH_SIZE} bytes.")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a file. Raises ProofError unless it is in canonical form; the checkpoint is not looked at."""
        head, blank, checkpoint = data.partition(b"\n\n")
        header, *lines = head.decode("ascii", "replace").split("\n")
        if header != HEADER or not blank:
            raise ProofError(f"A proof begins with the line {HEADER} and ends with a checkpoint.")
        try:
            extra = b""
            if lines and lines[0].startswith("extra "):
                extra = decode_base64(lines.pop(0).removeprefix("extra "), "The extra data")
            index = _INDEX.fullmatch(lines.pop(0)) if lines else None
            if not index:
                raise ProofError("The proof does not say its entry's index as a decimal number.")
            hashes = tuple(decode_base64(line, f"Hash {number}") for number, line in enumerate(lines, 1))
        except NoteError as error:
            raise ProofError(f"The proof is damaged: {error}") from None
        return cls(int(index[1]), hashes, checkpoint, extra)

    def format(self) -> bytes:
        """The file's bytes: the inverse of `parse`."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += [encode_base64(sibling) for sibling in self.hashes]
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint

    def verify(
        self, leaf: bytes, log_key: VerifierKey, witness_keys: Iterable[VerifierKey] = ()
    ) -> tuple[Checkpoint, list[VerifiedSignature]]:
        """Check that the log `log_key` holds the leaf hash `leaf` at this index.

        Returns its checkpoint and the known witnesses' cosignatures, as `open_checkpoint`; whether they are
        enough is the caller's policy. Raises NoteError for the checkpoint, ProofError for the proof.
        """
        checkpoint, cosignatures = open_checkpoint(self.checkpoint, log_key, witness_keys)
        verify_inclusion(leaf, self.index, checkpoint.size, self.hashes, checkpoint.root)
        return checkpoint, cosignatures
