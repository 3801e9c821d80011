"""The log in one file, to be verified anywhere, by anybody, without asking anyone.

A bundle is a zip file of the log's public resources by their paths: ``checkpoint``, ``vkey`` and the
entry bundles ``tile/entries/…`` (C2SP tlog-tiles). Verifying recomputes the tree from all entries and
checks that no source has a gap in its sequence: nothing was changed, and nothing is missing.
"""

import json
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from homeward.tlog.checkpoint import open_checkpoint
from homeward.tlog.note import VerifierKey
from homeward.tlog.tiles import TileRef, decode_bundle
from homeward.tlog.verify import verify_log

from .session import Session

TILE = 256
Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class Verified:
    """What a whole log proved to be."""

    origin: str
    size: int
    root: bytes
    sources: dict[str, int]
    """Source → its last sequence."""
    gaps: dict[str, Ranges]
    """Source → missing ranges (first, last); empty when the log is complete."""
    repeated: dict[str, list[int]]
    """Source → sequences that two entries claim; empty when every number was given once."""


def entry_paths(size: int) -> Iterator[str]:
    """Paths of the entry bundles of a tree of ``size`` entries."""
    for index in range(-(-size // TILE)):
        yield TileRef(None, index, min(TILE, size - index * TILE)).path


def fetch(session: Session, file: Path, progress: Callable[[int, int], None] = lambda done, all: None) -> int:
    """Write the log as it is now to ``file``; its size. Refused, Unreachable, OSError."""
    checkpoint, vkey = session.public("/log/checkpoint"), session.public("/log/vkey")
    seen, _ = open_checkpoint(checkpoint, VerifierKey.parse(vkey.decode().strip()))
    paths = list(entry_paths(seen.size))
    beside = file.with_name(f".{file.name}.part")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("checkpoint", checkpoint)
            bundle.writestr("vkey", vkey)
            for number, path in enumerate(paths, 1):
                bundle.writestr(path, session.public(f"/log/{path}"))
                progress(number, len(paths))
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    return seen.size


def verify(file: Path, vkey: str | None = None) -> Verified:
    """Check a bundle without any connection. ValueError says what is wrong and where.

    ``vkey`` is the log's verifier key as the verifier knows it; without it the bundle's own is used,
    which shows that the bundle is consistent, not who signed it.
    """
    try:
        with zipfile.ZipFile(file) as bundle:
            key = VerifierKey.parse((vkey or bundle.read("vkey").decode()).strip())
            note = bundle.read("checkpoint")
            seen, _ = open_checkpoint(note, key)
            leaves: list[bytes] = []
            for path in entry_paths(seen.size):
                leaves += _entries(bundle, path)
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    except KeyError as error:
        raise ValueError(f"the bundle lacks a part of the log: {error.args[0]}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise ValueError(f"{file} is no bundle, or it is damaged") from None
    log = verify_log(note, key, leaves)
    numbers = sequences(leaves)
    return Verified(
        log.origin,
        log.size,
        log.root,
        sources={source: max(given) for source, given in numbers.items()},
        gaps={source: ranges for source, given in numbers.items() if (ranges := gaps_of(given))},
        repeated={source: twice for source, given in numbers.items() if (twice := repeated_in(given))},
    )


def sequences(leaves: Iterable[bytes]) -> dict[str, list[int]]:
    """The sequences of each source, from the entries alone; ValueError for one that names none."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, leaf in enumerate(leaves):
        try:
            entry = json.loads(leaf)
            found[str(entry["source"])].append(int(entry["sequence"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"entry {index} names no source and sequence") from None
    return dict(sorted(found.items()))


def gaps_of(given: Iterable[int]) -> Ranges:
    """The ranges missing between 1 and the last of ``given``."""
    missing, expected = [], 1
    for sequence in sorted(given):
        if sequence > expected:
            missing.append((expected, sequence - 1))
        expected = sequence + 1
    return missing


def repeated_in(given: Iterable[int]) -> list[int]:
    """What is in ``given`` more than once."""
    return sorted(sequence for sequence, times in Counter(given).items() if times > 1)


def _entries(bundle: zipfile.ZipFile, path: str) -> list[bytes]:
    try:
        return decode_bundle(bundle.read(path))
    except zipfile.BadZipFile:
        raise ValueError(f"{path} is damaged") from None
