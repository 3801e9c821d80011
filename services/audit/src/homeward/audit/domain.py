"""What a record becomes in the log, and what is missing from it. No I/O.

The log is public, so a leaf reveals nothing: canonical JSON of ``{"v": 1, "source": …, "sequence": …,
"commitments": base64}``, where every event has 32 bytes for every class, those it lacks included (see
:func:`.commitments_of`). Two events of one source and place differ only in bytes that look random.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from uuid import UUID

import orjson

from homeward.common.envelope import Envelope, Headers, Malformed, Received, topic_of
from homeward.common.sealing import VERSION, canonical, is_commitments

LEAF_VERSION = 1
MAX_SEQUENCE = 2**63 - 1
TOPICS = [topic_of(s) for s in ("intake", "verification", "referral", "exchange", "keyring", "audit")]
"""Everything that is said on the platform; audit's own topic included."""

_SOURCE = re.compile(r"/homeward/([a-z]+)/(0|[1-9][0-9]{0,8})/([1-9][0-9]{0,8})")
_ATTRIBUTE = re.compile(r"[^\x00-\x1f\x7f]{1,500}")  # what a text column takes, and an index


class Stopped(Exception):
    """The log must not go on before somebody has looked; the message says where and why, no content."""


class Contradiction(Stopped):
    """Two different records claim one event id, or one place in one source's sequence."""


@dataclass(frozen=True)
class Entry:
    """One record on its way into the log: the bytes to hash, and the record as it was published."""

    envelope: Envelope
    leaf: bytes
    headers: Headers
    value: bytes

    @cached_property
    def identity(self) -> "Identity":
        """What a second copy of the same record shares with it."""
        return Identity(
            self.envelope.id, self.envelope.source, self.envelope.sequence, sha256(self.value).digest()
        )


@dataclass(frozen=True)
class Identity:
    """A record by its id, its place, and the SHA-256 of its value."""

    event_id: UUID
    source: str
    sequence: int
    digest: bytes


def leaf_of(source: str, sequence: int, commitments: str) -> bytes:
    """The bytes of a log entry (see the module's text)."""
    return canonical({"v": LEAF_VERSION, "source": source, "sequence": sequence, "commitments": commitments})


def entry_of(record: Received) -> Entry:
    """The entry a record becomes; Malformed says what is wrong with it.

    Strict, because whatever passes is public for ever: a commitment that is none could be content, and
    a source of another topic's service could take that service's place in the sequence.
    """
    envelope = Envelope.of(record)
    source = _SOURCE.fullmatch(envelope.source)
    if source is None or topic_of(source[1]) != record.topic:
        raise Malformed("source is not one of this topic")
    if not 1 <= envelope.sequence <= MAX_SEQUENCE:
        raise Malformed("sequence is out of range")
    if envelope.time.tzinfo is None:
        raise Malformed("time has no zone")
    if not all(map(_ATTRIBUTE.fullmatch, (envelope.type, envelope.subject, envelope.actor))):
        raise Malformed("an attribute is empty, too long or has control characters")
    leaf = leaf_of(envelope.source, envelope.sequence, _commitments(record.value))
    return Entry(envelope, leaf, record.headers, record.value)


def entries_of(records: Sequence[Received]) -> tuple[list[Entry], Stopped | None]:
    """The entries of all records before the first that cannot be read, and why that one cannot."""
    entries: list[Entry] = []
    for record in records:
        try:
            entries.append(entry_of(record))
        except Malformed as error:
            place = f"{record.topic}/{record.partition} at offset {record.offset}"
            return entries, Stopped(f"record in {place}: {error}")
    return entries, None


def unknown(entries: Iterable[Entry], known: Iterable[Identity]) -> list[Entry]:
    """The entries that are not in the log, each once, in order; Contradiction if two cannot both be true.

    Delivery is at least once, so copies are expected; a copy that differs is a second history.
    """
    by_id: dict[UUID, Identity] = {}
    by_place: dict[tuple[str, int], Identity] = {}
    for identity in known:
        by_id[identity.event_id] = by_place[identity.source, identity.sequence] = identity
    fresh = []
    for entry in entries:
        own = entry.identity
        place = (own.source, own.sequence)
        there = (by_id.get(own.event_id), by_place.get(place))
        if there == (None, None):
            by_id[own.event_id] = by_place[place] = own
            fresh.append(entry)
        elif there != (own, own):
            raise Contradiction(f"two records claim event {own.event_id} or {own.source} no. {own.sequence}")
    return fresh


def _commitments(value: bytes) -> str:
    try:
        parsed = orjson.loads(value)
    except ValueError:
        raise Malformed("value is not JSON") from None
    found = parsed.get("commitments") if isinstance(parsed, dict) and parsed.get("v") == VERSION else None
    if not isinstance(found, str) or not is_commitments(found):
        raise Malformed("value does not commit to every class")
    return found
