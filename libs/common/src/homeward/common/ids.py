"""Identifiers: time-ordered for ourselves, random for others."""

import hashlib
import os
import time
from uuid import UUID, uuid4


def new_id() -> UUID:
    """A UUIDv7: milliseconds, a fraction of one in the next twelve bits, random bits (RFC 9562 §5.7, §6.2
    method 3).

    No counter: one that is shared makes ids run ahead of the clock when many are made, so that whoever is
    shown one sees how much else went on.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    noise = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | noise)


def new_shown_id() -> UUID:
    """A UUIDv4, for what partners are shown: it says nothing, not even when it was made."""
    return uuid4()


def derived_id(origin: UUID, name: str) -> UUID:
    """The UUIDv8 (RFC 9562 §5.8) of what ``name`` is to ``origin``: the same each time it is handled."""
    raw = bytearray(hashlib.sha256(origin.bytes + name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))
