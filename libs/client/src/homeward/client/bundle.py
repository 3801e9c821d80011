"""The log in one file, to be verified anywhere, by anybody, without asking anyone.

A bundle is a zip file of the log's public resources by their paths: ``checkpoint``, ``vkey`` and the
entry bundles ``tile/entries/…`` (C2SP tlog-tiles). Verifying recomputes the tree from all entries and
checks that no source has a gap in its sequence: nothing was changed, and nothing is missing.
"""

import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from homeward.tlog.checkpoint import open_checkpoint
from homeward.tlog.note import VerifierKey
from homeward.tlog.tiles import TileRef, decode_bundle
from homeward.tlog.verify import verify_log

from .session import Session

TILE = 256


@dataclass(frozen=True)
class Verified:
    """What a whole log proved to be."""

    origin: str
    size: int
    root: bytes
    sources: dict[str, int]
    """Source → its last sequence."""
    gaps: dict[str, list[tuple[int, int]]]
    """Source → missing ranges (first, last); empty when the log is complete."""


def entry_paths(size: int) -> Iterator[str]:
    """Paths of the entry bundles of a tree of ``size`` entries."""
    for index in range(-(-size // TILE)):
        yield TileRef(None, index, min(TILE, size - index * TILE)).path


def fetch(session: Session, file: Path, progress: Callable[[int, int], None] = lambda done, all: None) -> int:
    """Write the log as it is now to ``file``; its size. Refused, Unreachable."""
    checkpoint, vkey = session.public("/log/checkpoint"), session.public("/log/vkey")
    seen, _ = open_checkpoint(checkpoint, VerifierKey.parse(vkey.decode().strip()))
    paths = list(entry_paths(seen.size))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("checkpoint", checkpoint)
        bundle.writestr("vkey", vkey)
        for number, path in enumerate(paths, 1):
            bundle.writestr(path, session.public(f"/log/{path}"))
            progress(number, len(paths))
    return seen.size


def verify(file: Path, vkey: str | None = None) -> Verified:
    """Check a bundle without any connection. ValueError says what is wrong and where.

    ``vkey`` is the log's verifier key as the verifier knows it; without it the bundle's own is used,
    which shows that the bundle is consistent, not who signed it.
    """
    try:
        with zipfile.ZipFile(file) as bundle:
            key = VerifierKey.parse(vkey or bundle.read("vkey").decode().strip())
            note = bundle.read("checkpoint")
            seen, _ = open_checkpoint(note, key)
            leaves: list[bytes] = []
            for path in entry_paths(seen.size):
                leaves += decode_bundle(bundle.read(path))
    except KeyError as error:
        raise ValueError(f"the bundle lacks a part of the log: {error.args[0]}") from None
    except zipfile.BadZipFile:
        raise ValueError(f"{file} is no bundle") from None
    log = verify_log(note, key, leaves)
    sources, gaps = completeness(leaves)
    return Verified(log.origin, log.size, log.root, sources, gaps)


def completeness(leaves: list[bytes]) -> tuple[dict[str, int], dict[str, list[tuple[int, int]]]]:
    """Last sequence and missing ranges of each source, from the entries alone."""
    seen: dict[str, list[int]] = defaultdict(list)
    for leaf in leaves:
        entry = json.loads(leaf)
        seen[entry["source"]].append(entry["sequence"])
    gaps: dict[str, list[tuple[int, int]]] = {}
    for source, sequences in seen.items():
        missing, expected = [], 1
        for sequence in sorted(sequences):
            if sequence > expected:
                missing.append((expected, sequence - 1))
            expected = sequence + 1
        if missing or len(set(sequences)) != len(sequences):
            gaps[source] = missing
    return {source: max(sequences) for source, sequences in sorted(seen.items())}, gaps
