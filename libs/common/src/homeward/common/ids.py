"""Identifiers: time-ordered, and saying nothing but their time."""

import hashlib
import os
import time
from uuid import UUID

_last = 0


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7), greater than the one before.

    The twelve bits behind the milliseconds are a fraction of one (§6.2, method 3), so that a burst of ids
    does not run ahead of the clock, as it does where each takes a millisecond of its own.
    """
    global _last
    _last = max(_last + 1, (time.time_ns() << 12) // 1_000_000)
    milliseconds, fraction = _last >> 12, _last & 0xFFF
    random = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random)


def derived_id(origin: UUID, name: str) -> UUID:
    """The UUIDv8 (RFC 9562 §5.8) of what ``name`` is to ``origin``: the same each time it is handled."""
    raw = bytearray(hashlib.sha256(origin.bytes + name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))
