"""Somebody who has copies of everything: files, backups, dumps, topics, and every key that is in them.

Wrapped data keys are looked for in bytes as PostgreSQL lays them down, so that deleted rows, the
write-ahead log and backups are searched as well as tables are.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from homeward.common.contracts import FieldClass
from homeward.common.sealing import Sealed
from homeward.keyring.domain import Kek, KekUnusable, class_keys

KEK = re.compile(rb"[0-9a-f]{64}")
IN_A_ROW = rb".([0-9a-f]{16}).(.{60})"
"""After the subject: the length and id of the key-encryption key, the length and bytes of the wrapping."""
IN_A_DUMP = rb"\t([0-9a-f]{16})\t\\\\x([0-9a-f]{120})"


SEGMENT = re.compile("[0-9A-F]{24}")
PAGE = 8_192


def contents(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below, as it is now."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            try:
                if path.is_file():
                    content = path.read_bytes()
                    yield path, _whole_records(content) if SEGMENT.fullmatch(path.name) else content
            except FileNotFoundError:  # a server is at work in the folder
                continue


Wrapping = tuple[str, str, bytes]
"""Subject, id of the key-encryption key, wrapped data key."""


def _whole_records(segment: bytes) -> bytes:
    """A segment of the write-ahead log without the headers of its pages: a record goes on behind them."""
    pages = (segment[at : at + PAGE] for at in range(0, len(segment), PAGE))
    return b"".join(page[24 if number else 40 :] for number, page in enumerate(pages))


@dataclass
class Loot:
    """What was found: everything that could be a key-encryption key, by what its id would be; every wrapped
    data key, deleted ones as well; the files in which a text stands that should not."""

    values: Collection[Sealed] = ()
    keks: dict[str, Kek] = field(default_factory=dict)
    wrapped: set[Wrapping] = field(default_factory=set)
    places: set[str] = field(default_factory=set)

    def data_keys(self) -> dict[str, bytes]:
        """The data keys, by subject, that can be unwrapped."""
        found = {}
        for subject, kek_id, wrapping in self.wrapped:
            with suppress(KeyError, KekUnusable):
                found[subject] = self.keks[kek_id].unwrap(subject, wrapping)
        return found

    def read(self) -> bytes:
        """Everything that can be read of what is sealed."""
        keys = {subject: class_keys(key, [*FieldClass]) for subject, key in self.data_keys().items()}
        told = [value.open(keys).fields for value in self.values if keys.keys() & value.subjects]
        return repr(told).encode()


class Intruder:
    """Looks for keys of ``subjects``, to open ``values`` with, which stand on the topics for ever; and for
    ``texts`` as they are."""

    def __init__(
        self, subjects: Collection[str], values: Collection[Sealed], texts: Collection[bytes] = ()
    ) -> None:
        self._subjects = [subject.encode() for subject in subjects]
        self._values = values
        self._texts = texts
        self._known: dict[bytes, tuple[set[bytes], set[Wrapping], set[bytes]]] = {}
        """By digest: most files of a database, and of its copies, are the same."""

    def look(self, *folders: Path) -> Loot:
        """Through all files below."""
        loot = Loot(self._values)
        for path, content in contents(*folders):
            digits, wrapped, texts = self._look_at(content)
            for kek in (Kek(bytes.fromhex(one.decode())) for one in digits):
                loot.keks[kek.id] = kek
            loot.wrapped |= wrapped
            loot.places |= {f"{path}: {text!r}" for text in texts}
        return loot

    def _look_at(self, content: bytes) -> tuple[set[bytes], set[Wrapping], set[bytes]]:
        digest = blake2b(content).digest()
        if digest not in self._known:
            wrapped = {w for s in self._subjects if s in content for w in _wrapped(s, content)}
            texts = {text for text in self._texts if text in content}
            self._known[digest] = set(KEK.findall(content)), wrapped, texts
        return self._known[digest]


def _wrapped(subject: bytes, content: bytes) -> Iterator[Wrapping]:
    begins, whose = re.escape(subject), subject.decode()
    for kek_id, wrapping in re.findall(begins + IN_A_ROW, content, re.DOTALL):
        yield whose, kek_id.decode(), wrapping
    for kek_id, digits in re.findall(begins + IN_A_DUMP, content):
        yield whose, kek_id.decode(), bytes.fromhex(digits.decode())


def spellings(key: bytes) -> list[bytes]:
    """A key as it may have been written down."""
    return [key, key.hex().encode(), b64encode(key).rstrip(b"=")]
