"""Signed notes (C2SP signed-note) with Ed25519 signatures, and Ed25519 cosignatures (C2SP tlog-cosignature).

A note is text that ends in a newline, an empty line, and signature lines that begin with an em dash. The
signed bytes are the text's UTF-8 encoding.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 0x01
COSIGNATURE_V1 = 0x04

MAX_SIGNATURES = 100
MAX_TIME = 2**63 - 1

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VERIFIER_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")


class NoteError(ValueError):
    """A note, key or checkpoint is malformed, or not signed as it must be. The message is for people."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key: its name, its type (`ED25519` of a log, `COSIGNATURE_V1` of a witness), 32 bytes.

    Raises NoteError for a name with spaces or `+`, another type, or another length.
    """

    name: str
    public_key: bytes
    type: int = ED25519

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.type not in (ED25519, COSIGNATURE_V1):
            raise NoteError(f"The key of {self.name} has type {self.type:#04x}, which is not known here.")
        if len(self.public_key) != 32:
            raise NoteError(f"The key of {self.name} has {len(self.public_key)} bytes, not 32.")

    @property
    def key_id(self) -> bytes:
        """4 bytes: the start of SHA-256(name || 0x0A || type || public key)."""
        return sha256(self.name.encode() + bytes([0x0A, self.type]) + self.public_key).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+hexid+base64`. Raises NoteError if malformed or if the id is not this key's."""
        match = _VERIFIER_KEY.fullmatch(text)
        if not match:
            raise NoteError("A verifier key has the form name+id+key, the id in eight hexadecimal digits.")
        name, key_id, encoded = match.groups()
        material = decode_base64(encoded, f"The key of {name}")
        key = cls(name, material[1:], material[0])
        if key.key_id.hex() != key_id:
            raise NoteError(f"The id {key_id} does not belong to the key of {name}.")
        return key

    def format(self) -> str:
        """The inverse of `parse`."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type]) + self.public_key)}"

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check a signature (without its key ID) over a note's text.

        Returns the time of a cosignature in seconds since the epoch, None for a plain signature; raises
        NoteError if it does not verify.
        """
        time = None
        message = text.encode()
        if self.type == COSIGNATURE_V1:
            time, signature = int.from_bytes(signature[:8]), signature[8:]
            message = _cosigned(text, time)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            raise NoteError(f"The signature of {self.name} does not fit this text.") from None
        return time


class _SigningKey:
    """An Ed25519 private key under a name; never shows its seed."""

    __slots__ = ("_private_key", "verifier_key")
    _type: ClassVar[int]

    def __init__(self, name: str, seed: bytes) -> None:
        self._private_key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier_key = VerifierKey(name, self._private_key.public_key().public_bytes_raw(), self._type)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.verifier_key.format()})"

    def _line(self, signature: bytes) -> str:
        return f"— {self.verifier_key.name} {encode_base64(self.verifier_key.key_id + signature)}\n"


class Signer(_SigningKey):
    """Signs notes as `name` with the Ed25519 key made from a 32-byte seed.

    Raises NoteError for a name that a key cannot have, ValueError for a seed of another length.
    """

    __slots__ = ()
    _type = ED25519

    def line(self, text: str) -> str:
        """Signature line, newline included, over a note's text."""
        return self._line(self._private_key.sign(text.encode()))


class Cosigner(_SigningKey):
    """Cosigns checkpoints (cosignature/v1) as a witness; made as a `Signer` is, never with the same seed."""

    __slots__ = ()
    _type = COSIGNATURE_V1

    def line(self, text: str, time: int) -> str:
        """Signature line over a checkpoint's text, which a log appends to the note as it is.

        `time` is in seconds since the epoch. Raises NoteError unless 0 <= time < 2**63.
        """
        signature = self._private_key.sign(_cosigned(text, time))
        return self._line(time.to_bytes(8) + signature)


class VerifiedSignature(NamedTuple):
    """A known key whose signature verified; `time` (seconds since the epoch) when it is a cosignature."""

    key: VerifierKey
    time: int | None


def sign(text: str, signers: Iterable[Signer]) -> bytes:
    """A note of `text`, signed by each of `signers` in turn.

    Raises NoteError if the text does not end in a newline or has control characters, or without signers.
    """
    note = f"{text}\n{''.join(signer.line(text) for signer in signers)}".encode()
    _parse(note)
    return note


def open_note(note: bytes, verifier_keys: Iterable[VerifierKey]) -> tuple[str, list[str]]:
    """Text of a note, and the names of the keys among `verifier_keys` that signed it.

    Signatures of other keys are ignored. Raises NoteError if the note is malformed, if a signature by one of
    these keys does not verify, or if none of them signed.
    """
    text, signatures = verified_signatures(note, verifier_keys)
    return text, list(dict.fromkeys(signature.key.name for signature in signatures))


def verified_signatures(
    note: bytes, verifier_keys: Iterable[VerifierKey]
) -> tuple[str, list[VerifiedSignature]]:
    """As `open_note`, with keys and times of cosignatures in the order of the note's lines."""
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in verifier_keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise NoteError(f"Two keys of {key.name} share the id {key.key_id.hex()}.")
    text, lines = _parse(note)
    verified = []
    for name, key_id, signature in lines:
        if signer := known.get((name, key_id)):
            verified.append(VerifiedSignature(signer, signer.verify(text, signature)))
    if not verified:
        names = ", ".join(sorted({name for name, _ in known})) or "no key at all"
        raise NoteError(f"The note has no signature by a key that was asked for ({names}).")
    return text, verified


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 in its one canonical spelling; NoteError, in the name of `what`, for anything else."""
    try:
        decoded = b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    if not decoded or encode_base64(decoded) != text:
        raise NoteError(f"{what} is not in base64.")
    return decoded


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding, as everywhere in notes."""
    return b64encode(data).decode("ascii")


def _parse(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text and signature lines (name, key ID, signature) of a note, none of them verified."""
    try:
        decoded = note.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("The note is not UTF-8.") from None
    if _CONTROL.search(decoded):
        raise NoteError("The note has control characters.")
    text, blank, signatures = decoded.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("A note is text, an empty line and signature lines, each of which ends in a newline.")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"The note has more than {MAX_SIGNATURES} signatures.")
    return text + "\n", [_parse_line(number, line) for number, line in enumerate(lines, 1)]


def _parse_line(number: int, line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise NoteError(f"Signature line {number} does not have the form «— name signature».")
    _, name, encoded = parts
    _check_name(name)
    signature = decode_base64(encoded, f"Signature {number}")
    if len(signature) <= 4:
        raise NoteError(f"Signature {number} is too short.")
    return name, signature[:4], signature[4:]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name) or _CONTROL.search(name):
        raise NoteError("A key's name is not empty and has no spaces, plus signs or control characters.")


def _cosigned(text: str, time: int) -> bytes:
    """What a cosignature/v1 signs: C2SP tlog-cosignature, "Ed25519 signed message"."""
    if not 0 <= time <= MAX_TIME:
        raise NoteError(f"A cosignature's time is 0 to {MAX_TIME} seconds.")
    return f"cosignature/v1\ntime {time}\n{text}".encode()
