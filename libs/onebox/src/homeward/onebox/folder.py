"""The data folder: one platform at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "up.lock"


class CannotStart(Exception):
    """The platform cannot start; the message says in one line why and what to do."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there, for this process alone until the end of the context.

    CannotStart if another has it. The lock ends with its process, however that ends; the file stays.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be used as a data folder: {error.strerror}.") from None
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = file.read().strip() or "?"
            raise CannotStart(
                f"{folder} is in use by another homeward (process {other}). Stop that one, or name another "
                "folder by --data."
            ) from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
