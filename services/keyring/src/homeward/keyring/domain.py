"""Data keys, and which classes of them a service may hold. No I/O."""

import hashlib
import os
from collections.abc import Collection, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from homeward.common.contracts import OPEN_CLASSES, FieldClass
from homeward.common.keys import LOOKUP, KeyringUnavailable, expand

AUDIT = "audit"
"""The class under which audit seals what it keeps beside its log."""

ENTITLEMENTS: Mapping[str, frozenset[str]] = {
    "intake": frozenset(FieldClass) - {FieldClass.ASSESSMENT, FieldClass.HEALTH} | {LOOKUP},
    "verification": frozenset(OPEN_CLASSES)
    | {
        FieldClass.PERSON_IDENTITY,
        FieldClass.PERSON_DESCRIPTION,
        FieldClass.LOCATION_PRECISE,
        FieldClass.ASSESSMENT,
        FieldClass.PROTECTION,
        LOOKUP,
    },
    "referral": frozenset(OPEN_CLASSES) | {FieldClass.HEALTH, FieldClass.PROTECTION, LOOKUP},
    "exchange": frozenset(FieldClass) | {LOOKUP},
    "audit": frozenset(OPEN_CLASSES) | {FieldClass.PROTECTION, AUDIT, LOOKUP},
    "keyring": frozenset(OPEN_CLASSES) | {FieldClass.PROTECTION, LOOKUP},
}
"""The classes each service needs to do its work, and no more; the default of the services file."""


class KekUnusable(KeyringUnavailable):
    """The data keys are wrapped by another key-encryption key than the one given. It is waited for, like a
    keyring that is away: with the right key everything goes on, and nothing was lost meanwhile."""


ANOTHER = "the data keys are wrapped by another key-encryption key"


class Kek:
    """The key-encryption key: wraps data keys by AES-256-GCM, bound to their subject."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self.id = hashlib.sha256(b"homeward kek id" + key).hexdigest()[:16]
        """Names the key without telling anything of it."""

    def wrap(self, subject: str, data_key: bytes) -> bytes:
        """A data key that only this key and the same subject unwrap."""
        nonce = os.urandom(12)
        return nonce + self._aead.encrypt(nonce, data_key, self._aad(subject))

    def unwrap(self, subject: str, wrapped: bytes) -> bytes:
        """The data key; KekUnusable if it was wrapped by another key or for another subject."""
        try:
            return self._aead.decrypt(wrapped[:12], wrapped[12:], self._aad(subject))
        except (InvalidTag, ValueError):
            raise KekUnusable(ANOTHER) from None

    def _aad(self, subject: str) -> bytes:
        return f"homeward data key|{self.id}|{subject}".encode()


def held_of(subject: str, service: str, classes: frozenset[str]) -> frozenset[str]:
    """Of ``classes``, those that ``service`` is given of ``subject``: the keys by which another service
    makes its look-up hashes, or audit seals its copies, are that service's alone."""
    others = subject.startswith("service:") and subject != f"service:{service}"
    return classes - {LOOKUP, AUDIT} if others else classes


def new_data_key() -> bytes:
    """256 fresh bits."""
    return os.urandom(32)


def class_keys(data_key: bytes, classes: Collection[str]) -> dict[str, bytes]:
    """The keys of ``classes``, each derived from the data key (HKDF-Expand, RFC 5869)."""
    return {name: expand(data_key, f"homeward class|{name}") for name in sorted(classes)}
