"""Keys as a service meets them: class keys of subjects, or the mark of an erased subject.

The keyring keeps one data key per subject and derives a class key from it for every field class
(HKDF-Expand, RFC 5869). A service is given the class keys it is entitled to and never the data key.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from time import monotonic
from typing import Protocol
from uuid import UUID

from .ids import new_id


@dataclass(frozen=True)
class Erased:
    """The subject's data key was destroyed at ``at``; it will never be made anew."""

    at: datetime


ClassKeys = Mapping[str, bytes]
"""Class (or ``lookup``) → 32-byte key; only the classes the service is entitled to."""

KeySet = Mapping[str, ClassKeys | Erased]
"""Subject → its class keys. A subject nobody made a key for is absent."""

LOOKUP = "lookup"
"""The extra key, beside the field classes, for look-up hashes a service makes (rows, names, phones)."""


class KeyringUnavailable(Exception):
    """The keyring did not answer; the caller waits and tries again, it never goes on without keys."""


class Keyring(Protocol):
    """Where class keys come from."""

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """Keys of all ``subjects`` in one call; missing ones are made if ``create``.

        Raises KeyringUnavailable.
        """
        ...

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """Destroy the data keys of ``subjects`` for ever; the time it is done. Idempotent."""
        ...


def expand(key: bytes, info: str) -> bytes:
    """HKDF-Expand with SHA-256 to 32 bytes (RFC 5869 §2.3: one block)."""
    return hmac.digest(key, info.encode() + b"\x01", "sha256")


def hmac_under(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 of many short messages under one key of 64 bytes at most (RFC 2104): the key is hashed
    in once, which is most of the work."""
    padded = key.ljust(64, b"\0")
    inner, outer = sha256(padded.translate(_INNER_PAD)), sha256(padded.translate(_OUTER_PAD))

    def digest(message: bytes) -> bytes:
        within, around = inner.copy(), outer.copy()
        within.update(message)
        around.update(within.digest())
        return around.digest()

    return digest


_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class CachedKeyring:
    """A bounded, forgetful memory in front of a keyring.

    An entry lives ``ttl`` seconds at most, so that a process that never hears of an erasure cannot
    open anything for longer; processes that consume ``subject.erased`` call :meth:`forget` at once.
    Only keys are remembered, never their absence or erasure.

    With a ``stock`` it also keeps that many subjects ready who have keys and are nobody yet: whoever
    records one person at a time then waits for no call of the keyring, which is made for many at once.
    """

    def __init__(
        self,
        inner: Keyring,
        *,
        size: int = 20_000,
        ttl: float = 60.0,
        stock: int = 0,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._inner = inner
        self._ready: list[tuple[UUID, ClassKeys]] = []
        self._stock = stock
        self._stocking: asyncio.Future[None] | None = None
        self._size = size
        self._ttl = ttl
        self._now = now
        self._kept: OrderedDict[str, tuple[float, ClassKeys]] = OrderedDict()
        self._forgets = 0

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """As :meth:`Keyring.class_keys`; asks only for what is not remembered."""
        oldest = self._now() - self._ttl
        found: dict[str, ClassKeys | Erased] = {
            subject: entry[1]
            for subject in subjects
            if (entry := self._kept.get(subject)) is not None and entry[0] >= oldest
        }
        missing = sorted(set(subjects) - found.keys())
        if missing:
            forgets = self._forgets
            fetched = await self._inner.class_keys(missing, create=create)
            found.update(fetched)
            if forgets == self._forgets:  # else it may be what was to be forgotten, answered before
                self._remember(fetched)
        return found

    def new_subject(self) -> UUID:
        """The id of somebody new, whose keys are in hand if there were some in stock. Ids from stock are
        older than their use: they say nothing of who came first."""
        if len(self._ready) <= self._stock // 2 and self._stocking is None and self._stock:
            self._stocking = asyncio.ensure_future(self._stock_up())
        if not self._ready:
            return new_id()
        subject, keys = self._ready.pop()
        self._remember({str(subject): keys})
        return subject

    async def _stock_up(self) -> None:
        subjects = [new_id() for _ in range(self._stock - len(self._ready))]
        try:
            # If it fails, whoever needs keys at once asks for them, and is told why there are none.
            with suppress(Exception):
                found = await self._inner.class_keys([str(subject) for subject in subjects], create=True)
                self._ready += [(s, k) for s in subjects if not isinstance(k := found[str(s)], Erased)]
        finally:
            self._stocking = None

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """As :meth:`Keyring.erase`, and forget them here."""
        try:
            return await self._inner.erase(subjects, person_id=person_id, actor=actor)
        finally:
            self.forget(subjects)  # whatever came of it: what cannot be had again is not kept

    def forget(self, subjects: Collection[str]) -> None:
        """Drop what is remembered of ``subjects``, and what is being fetched at the moment."""
        self._forgets += 1
        for subject in subjects:
            self._kept.pop(subject, None)

    def _remember(self, fetched: KeySet) -> None:
        for subject, keys in fetched.items():
            if not isinstance(keys, Erased):
                self._kept[subject] = (self._now(), keys)
                self._kept.move_to_end(subject)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
