"""Identifiers: time-ordered, and saying nothing but their time."""

from uuid import UUID

import uuid6


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7) as a standard library UUID."""
    return UUID(int=uuid6.uuid7().int)
