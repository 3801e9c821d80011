"""Files that hold secrets: created for their owner alone, and refused when others may read them."""

import os
import stat
from pathlib import Path


class SecretUnusable(Exception):
    """A secret file cannot be used; the message says why and what to do, never what is in it."""


def write_secret(path: Path, text: str, *, replace: bool = False) -> bool:
    """Create ``path`` (mode 0600) with ``text``; False if it is there already and not to be replaced.

    Replacing is done beside it and moved over it, so that no reader meets half a secret.
    """
    target = path.with_name(f".{path.name}.new") if replace else path
    try:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
        descriptor = os.open(target, flags, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if replace:
        target.replace(path)
    return True


def read_secret(path: Path) -> str:
    """The text of a file that only its owner may read; SecretUnusable otherwise.

    A file that root placed for us may be our group's too: that is how Kubernetes mounts secrets.
    """
    try:
        found, text = path.stat(), path.read_text(errors="replace").strip()
    except OSError as error:
        raise SecretUnusable(f"cannot read {path}: {error.strerror}") from None
    mode, placed = stat.S_IMODE(found.st_mode), found.st_uid == 0 != os.geteuid()
    if mode & (0o027 if placed else 0o077):
        raise SecretUnusable(f"{path} can be read by others (mode {mode:04o}); run chmod 600 on it")
    return text


def read_hex_secret(path: Path) -> bytes:
    """32 bytes from a file of 64 hexadecimal digits; SecretUnusable otherwise."""
    text = read_secret(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SecretUnusable(f"{path} must hold 64 hexadecimal digits")
    return key
