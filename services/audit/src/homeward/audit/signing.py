"""The log's signing key, from its file."""

from pathlib import Path

from homeward.common.secret_files import SecretUnusable, read_hex_secret
from homeward.tlog.note import NoteError, Signer


class LogKeyUnusable(Exception):
    """The log cannot sign by this key or under this name; the message says why and what to do."""


def read_signer(path: Path, origin: str) -> Signer:
    """Signs as ``origin`` by the seed in ``path``: 64 hexadecimal digits that only its owner may read.

    Raises LogKeyUnusable.
    """
    try:
        seed = read_hex_secret(path)
    except SecretUnusable as error:
        raise LogKeyUnusable(str(error)) from None
    try:
        return Signer(origin, seed)
    except NoteError:
        raise LogKeyUnusable("the log's origin must not be empty, nor hold spaces or plus signs") from None
