"""Where a follower keeps how far it has got."""

from pathlib import Path
from typing import Protocol


class CursorStore(Protocol):
    """Remembers one cursor. Yours can be a row that you write in the transaction that handles an event:
    then nothing is ever handled twice."""

    def load(self) -> str | None:
        """The cursor saved last; None at the beginning."""
        ...

    def save(self, cursor: str) -> None:
        """Remember it; whatever comes before it was handled."""
        ...


class CursorFile:
    """In a file, written beside and moved over it: it is never half there."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def load(self) -> str | None:
        """As :class:`CursorStore`; an empty file is the beginning."""
        return self._path.read_text().strip() or None if self._path.exists() else None

    def save(self, cursor: str) -> None:
        """As :class:`CursorStore`."""
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.write_text(cursor + "\n")
        fresh.replace(self._path)


class CursorInMemory:
    """For as long as the process runs."""

    def __init__(self, cursor: str | None = None) -> None:
        self._cursor = cursor

    def load(self) -> str | None:
        """As :class:`CursorStore`."""
        return self._cursor

    def save(self, cursor: str) -> None:
        """As :class:`CursorStore`."""
        self._cursor = cursor
