"""Files that hold secrets: created for their owner alone, and refused when others may read them."""

import os
import stat
import tempfile
from pathlib import Path


class SecretUnusable(Exception):
    """A secret file cannot be used; the message says why and what to do, never what is in it."""


def write_secret(path: Path, text: str, *, replace: bool = False) -> bool:
    """Create ``path`` (mode 0600) with ``text``; False if it is there already and not to be replaced.

    It is written beside its place and moved there when it is safe on disk, so that nobody meets half a
    secret, and no crash leaves one: what is sealed with a key must not outlive it.
    """
    if path.exists() and not replace:
        return False
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    aside = Path(name)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        if replace:
            aside.replace(path)
        else:
            os.link(aside, path)
            aside.unlink()
    except FileExistsError:
        aside.unlink()
        return False
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Have what was made, moved or removed in ``folder`` outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
