"""The log's signing key, from its file."""

import stat
from pathlib import Path

from homeward.tlog.note import NoteError, Signer


class LogKeyUnusable(Exception):
    """The log cannot sign by this key or under this name; the message says why and what to do."""


def read_signer(path: Path, origin: str) -> Signer:
    """Signs as ``origin`` by the seed in ``path``: 64 hexadecimal digits that only its owner may read.

    Raises LogKeyUnusable.
    """
    try:
        mode, text = stat.S_IMODE(path.stat().st_mode), path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LogKeyUnusable(f"cannot read {path}: {type(error).__name__}") from None
    if mode & 0o077:
        raise LogKeyUnusable(f"{path} can be read by others (mode {mode:04o}); run chmod 600 on it")
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise LogKeyUnusable(f"{path} must hold 64 hexadecimal digits")
    try:
        return Signer(origin, seed)
    except NoteError:
        raise LogKeyUnusable("the log's origin must not be empty, nor hold spaces or plus signs") from None
