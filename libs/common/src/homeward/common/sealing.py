"""Sealing: what of an event is readable, by whom, and what can be proven of it later.

The JSON value of every record is::

    {"v": 1,
     "open":        {class: {field: value}},                # OPEN_CLASSES, readable
     "sealed":      {class: {"kid": subject, "ct": base64}},  # AES-256-GCM, nonce ‖ ciphertext ‖ tag
     "commitments": base64}                                 # 32 bytes for each class there is

AAD of a sealed class is ``event id | class | key id | schema version``, so that a ciphertext cannot
be moved to another event or class. A commitment is ``HMAC(HKDF-Expand(class key, event id), bytes)``
over the class's canonical bytes: opening one class of one event reveals nothing of any other, and
GCM, which is not key-committing, is not relied upon. In the place of a class the event lacks stand 32
bytes of a keystream (SHAKE256, FIPS 202, over a further key of the envelope's), which look like any other:
which classes are there is not readable either.

Canonical bytes are what RFC 8785 gives for the value types contracts allow (no floats). They are
sealed as they are and never re-serialised.
"""

import hmac
import os
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import shake_256
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .contracts import SEALED_CLASSES, Event, FieldClass
from .keys import Erased, KeySet, expand

VERSION = 1
_ENVELOPE = FieldClass.ENVELOPE
_CLASSES = sorted(FieldClass)
COMMITMENT_BYTES = 32
_PLACES = {field_class: number * COMMITMENT_BYTES for number, field_class in enumerate(_CLASSES)}
COMMITMENTS_BYTES = COMMITMENT_BYTES * len(_CLASSES)
_BEYOND_16_BITS = re.compile(b"[\xf0-\xf4]")


class SealBroken(Exception):
    """A sealed class does not open under its key: corrupt, moved or forged. Carries no content."""


@dataclass(frozen=True)
class Draft:
    """An event about to be sealed, with its fields grouped once."""

    event_id: UUID
    event: Event
    service: str
    grouped: Mapping[FieldClass, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grouped", self.event.by_class())

    @cached_property
    def subject_of(self) -> Mapping[FieldClass, str]:
        """Whose key seals each class that is there, the envelope always."""
        return self.event.key_subjects(self.grouped, self.service)

    @property
    def subjects(self) -> frozenset[str]:
        """All subjects whose keys :func:`seal` needs."""
        return frozenset(self.subject_of.values())


def canonical(value: object) -> bytes:
    """Canonical JSON bytes (see the module's text); TypeError for an integer of more than 64 bits."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if _BEYOND_16_BITS.search(text):
        # RFC 8785 sorts by UTF-16 code units, orjson by code points: they differ where a rare Chinese
        # character meets a full-width form, as may be in the column names of a list.
        text = orjson.dumps(_sorted(value))
    return text


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value


def commitment(class_key: bytes, event_id: UUID, content: bytes) -> bytes:
    """The 32-byte commitment to one class of one event."""
    return _committed(class_key, str(event_id), content)


def is_commitments(text: str) -> bool:
    """Whether this can be what a value has as ``commitments``, in canonical base64 (RFC 4648 §3.5)."""
    try:
        raw = a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return len(raw) == COMMITMENTS_BYTES and b2a_base64(raw, newline=False) == text.encode()


def commitments_of(text: str) -> Mapping[FieldClass, bytes]:
    """The commitment to every class, from what a value or a leaf has as ``commitments``: one after the other
    in the order of the classes' names."""
    raw = a2b_base64(text)
    return {field_class: raw[at : at + COMMITMENT_BYTES] for field_class, at in _PLACES.items()}


def seal(draft: Draft, keys: KeySet) -> bytes:
    """The record value of ``draft``; KeyError names a class whose key was not handed out.

    Of an erased subject nothing is kept: its sealed classes are left out and committed to under a key
    that is thrown away, so that an event that was under way when the erasure came harms nobody.
    """
    event_id = str(draft.event_id)
    envelope_key = _class_key(keys, draft.subject_of[_ENVELOPE], _ENVELOPE)
    absent = expand(envelope_key, f"{event_id}|absent")
    commitments = bytearray(shake_256(absent).digest(COMMITMENTS_BYTES))
    opened, sealed = [], []
    for field_class in sorted(draft.grouped):
        name, content = field_class.value, canonical(draft.grouped[field_class])
        subject = draft.subject_of[field_class]
        key = _class_key(keys, subject, field_class)
        at = _PLACES[field_class]
        commitments[at : at + COMMITMENT_BYTES] = _committed(key, event_id, content)
        if field_class not in SEALED_CLASSES:
            opened.append(b'"%b":%b' % (name.encode(), content))
        elif not isinstance(keys[subject], Erased):
            ciphertext = b2a_base64(_encrypt(key, event_id, name, subject, content), newline=False)
            part = (name.encode(), ciphertext, canonical(subject))
            sealed.append(b'"%b":{"ct":"%b","kid":%b}' % part)
    parts = (b2a_base64(commitments, newline=False), b",".join(opened), b",".join(sealed), VERSION)
    return b'{"commitments":"%b","open":{%b},"sealed":{%b},"v":%d}' % parts


@dataclass(frozen=True)
class Sealed:
    """A record value, parsed but not opened. ValueError if it has not the module's form."""

    event_id: UUID
    value: bytes

    @cached_property
    def parsed(self) -> dict[str, Any]:
        """The JSON object."""
        parsed = orjson.loads(self.value)
        if not isinstance(parsed, dict) or parsed.get("v") != VERSION:
            raise ValueError("not a sealed event value of version 1")
        return parsed

    @property
    def subjects(self) -> frozenset[str]:
        """Whose keys open the sealed classes."""
        return frozenset(part["kid"] for part in self.parsed["sealed"].values())

    @property
    def classes(self) -> frozenset[FieldClass]:
        """The classes this event has, open or sealed."""
        return frozenset(FieldClass(name) for name in (*self.parsed["open"], *self.parsed["sealed"]))

    def open(self, keys: KeySet, only: frozenset[FieldClass] | None = None) -> "Opened":
        """The fields of every class whose key is in ``keys`` (of ``only``, if given).

        Raises SealBroken when a key is there and the class does not open under it.
        """
        contents, erased = self.contents(keys, only)
        fields: dict[str, Any] = {}
        for content in contents.values():
            fields.update(content if isinstance(content, dict) else orjson.loads(content))
        return Opened(fields, erased)

    def contents(
        self, keys: KeySet, only: frozenset[FieldClass] | None = None
    ) -> tuple[dict[str, dict[str, Any] | bytes], frozenset[FieldClass]]:
        """As :meth:`open`, by class: the fields of those that are readable, the canonical bytes of those that
        were sealed. And which are erased."""
        contents: dict[str, dict[str, Any] | bytes] = {
            name: content for name, content in self.parsed["open"].items() if only is None or name in only
        }
        erased: set[FieldClass] = set()
        event_id = str(self.event_id)
        for name, part in self.parsed["sealed"].items():
            subject_keys = keys.get(part["kid"])
            if subject_keys is None or (only is not None and name not in only):
                continue
            if isinstance(subject_keys, Erased):
                erased.add(FieldClass(name))
            elif key := subject_keys.get(name):
                contents[name] = _decrypted(key, event_id, name, part)
        return contents, frozenset(erased)


@dataclass(frozen=True)
class Opened:
    """What could be read of an event, and which of its classes are erased."""

    fields: dict[str, Any]
    erased: frozenset[FieldClass]


def _class_key(keys: KeySet, subject: str, field_class: FieldClass) -> bytes:
    subject_keys = keys[subject]
    if isinstance(subject_keys, Erased):
        return os.urandom(32)
    return subject_keys[field_class]


def _committed(class_key: bytes, event_id: str, content: bytes) -> bytes:
    return hmac.digest(expand(class_key, event_id), content, "sha256")


def _decrypted(key: bytes, event_id: str, field_class: str, part: Mapping[str, str]) -> bytes:
    try:
        raw = a2b_base64(part["ct"], strict_mode=True)
        return AESGCM(key).decrypt(raw[:12], raw[12:], _aad(event_id, field_class, part["kid"]))
    except (InvalidTag, ValueError):
        raise SealBroken(f"class {field_class} of event {event_id} does not open") from None


def _encrypt(key: bytes, event_id: str, field_class: str, subject: str, content: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, content, _aad(event_id, field_class, subject))


def _aad(event_id: str, field_class: str, subject: str) -> bytes:
    return f"{event_id}|{field_class}|{subject}|{VERSION}".encode()
