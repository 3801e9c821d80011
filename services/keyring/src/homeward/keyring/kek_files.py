"""The files of key-encryption keys: the one in use and, beside it during a rotation, the next.

They are read anew whenever they are needed, so that a key which was destroyed stays in no process.
"""

import errno
import os
from pathlib import Path

from homeward.common.secret_files import SecretUnusable, read_hex_secret, sync_folder, write_secret

from .domain import Kek

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS}


class FilesNotOurs(Exception):
    """The folder of the keys is not this process's to write: whoever mounts it changes them."""


class KekFiles:
    """``path`` and ``path.next``, each 64 hexadecimal digits that only their owner may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next_path = path.with_name(f"{path.name}.next")

    def first(self) -> Kek:
        """The key of ``path``: that of a keyring which has wrapped nothing yet. SecretUnusable."""
        return Kek(read_hex_secret(self.path))

    def next(self) -> Kek | None:
        """The key that is to follow, if there is one. SecretUnusable."""
        try:
            return Kek(read_hex_secret(self.next_path))
        except SecretUnusable:
            if self.next_path.exists():
                raise
            return None

    def read(self) -> dict[str, Kek]:
        """All keys by id. SecretUnusable."""
        # In this order: a rotation's end moves the next into the place of the first.
        keks = [self.next(), self.first()]
        return {kek.id: kek for kek in keks if kek is not None}

    def make_next(self) -> Kek:
        """A fresh key to follow, safe on disk. FilesNotOurs."""
        try:
            write_secret(self.next_path, os.urandom(32).hex() + "\n")
        except OSError as error:
            raise _explained(error) from None
        made = self.next()
        assert made is not None
        return made

    def keep_only(self, kek_id: str) -> None:
        """Destroy what is in ``path`` and have the next key, ``kek_id``, take its place; again is harmless.

        The old digits are overwritten on disk by others before the file goes: at every moment of a crash
        ``path`` holds a key, and the next is there until it is in ``path``. FilesNotOurs.
        """
        following = self.next()
        if following is None or following.id != kek_id:
            return
        try:
            with self.path.open("r+b") as file:
                # What is overwritten is what was opened: it can be the next key by now, if another process
                # whose lock was lost is at this too.
                if file.read().strip() != self.next_path.read_bytes().strip():
                    length = file.seek(0, os.SEEK_END)
                    file.seek(0)
                    file.write(os.urandom(length).hex().encode()[:length])
                    file.flush()
                    os.fsync(file.fileno())
            self.next_path.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise _explained(error) from None


def _explained(error: OSError) -> Exception:
    return FilesNotOurs(error.strerror or "") if error.errno in _NOT_OURS else error
