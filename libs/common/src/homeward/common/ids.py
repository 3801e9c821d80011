"""Identifiers: time-ordered for ourselves, random for others."""

import secrets
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
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))


def new_shown_id() -> UUID:
    """A UUIDv4, for what partners are shown: it says nothing, not even when it was made."""
    return uuid4()
