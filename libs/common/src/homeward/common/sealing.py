"""Sealing: what of an event is readable, by whom, and what can be proven of it later.

The JSON value of every record is::

    {"v": 1,
     "open":        {class: {field: value}},                # OPEN_CLASSES, readable
     "sealed":      {class: {"kid": subject, "ct": base64}},  # AES-256-GCM, nonce ‖ ciphertext ‖ tag
     "commitments": {class: base64}}                        # always all classes

AAD of a sealed class is ``event id | class | key id | schema version``, so that a ciphertext cannot
be moved to another event or class. A commitment is ``HMAC(HKDF-Expand(class key, event id), bytes)``
over the class's canonical bytes: opening one class of one event reveals nothing of any other, and
GCM, which is not key-committing, is not relied upon. A class the event lacks is committed to under
a further key of the envelope's, so that which classes are there is not readable either.

Canonical bytes are what RFC 8785 gives for the value types contracts allow (no floats). They are
sealed as they are and never re-serialised.
"""

import hmac
import json
import os
import re
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .contracts import SEALED_CLASSES, Event, FieldClass
from .keys import ClassKeys, Erased, KeySet, expand, hmac_under

VERSION = 1
_ENVELOPE = FieldClass.ENVELOPE
_CLASSES = tuple((field_class, field_class.encode()) for field_class in sorted(FieldClass))
_BEYOND_16_BITS = re.compile("[\U00010000-\U0010ffff]")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_encode_as_is = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


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
        return {c: self.event.key_subject(c, self.service) for c in {_ENVELOPE, *self.grouped}}

    @property
    def subjects(self) -> frozenset[str]:
        """All subjects whose keys :func:`seal` needs."""
        return frozenset(self.subject_of.values())


def canonical(value: object) -> bytes:
    """Canonical JSON bytes (see the module's text)."""
    text = _encode(value)
    if not text.isascii() and _BEYOND_16_BITS.search(text):
        # RFC 8785 sorts by UTF-16 code units, Python by code points: they differ where a rare Chinese
        # character meets a full-width form, as may be in the column names of a list.
        text = _encode_as_is(_sorted(value))
    return text.encode()


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value


def commitment(class_key: bytes, event_id: UUID, content: bytes) -> bytes:
    """The 32-byte commitment to one class of one event."""
    return _committed(class_key, str(event_id), content)


def seal(draft: Draft, keys: KeySet) -> bytes:
    """The record value of ``draft``; KeyError names a class whose key was not handed out.

    Of an erased subject nothing is kept: its sealed classes are left out and committed to under a key
    that is thrown away, so that an event that was under way when the erasure came harms nobody.
    """
    event_id = str(draft.event_id)
    envelope_key = _class_key(keys, draft.subject_of[_ENVELOPE], _ENVELOPE)
    absent = hmac_under(expand(envelope_key, f"{event_id}|absent"))
    commitments, opened, sealed = [], [], []
    for field_class, name in _CLASSES:
        fields = draft.grouped.get(field_class)
        if fields is None:
            commitments.append((name, _text(absent(name))))
            continue
        content = canonical(fields)
        subject = draft.subject_of[field_class]
        key = _class_key(keys, subject, field_class)
        commitments.append((name, _text(_committed(key, event_id, content))))
        if field_class not in SEALED_CLASSES:
            opened.append((name, content))
        elif not isinstance(keys[subject], Erased):
            ciphertext = _text(_encrypt(key, event_id, field_class, subject, content))
            sealed.append((name, _object([(b"ct", ciphertext), (b"kid", canonical(subject))])))
    members = [(b"commitments", commitments), (b"open", opened), (b"sealed", sealed)]
    return _object([*((name, _object(parts)) for name, parts in members), (b"v", b"%d" % VERSION)])


def _object(members: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A JSON object of names in canonical order and values that are canonical already."""
    return b"{%b}" % b",".join([b'"%b":%b' % member for member in members])


def _text(raw: bytes) -> bytes:
    """Base64 as a JSON string."""
    return b'"%b"' % b2a_base64(raw, newline=False)


@dataclass(frozen=True)
class Sealed:
    """A record value, parsed but not opened. ValueError if it has not the module's form."""

    event_id: UUID
    value: bytes

    @cached_property
    def parsed(self) -> dict[str, Any]:
        """The JSON object."""
        parsed = json.loads(self.value)
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
        fields: dict[str, Any] = {}
        erased: set[FieldClass] = set()
        for name, content in self.parsed["open"].items():
            if only is None or name in only:
                fields.update(content)
        for name, part in self.parsed["sealed"].items():
            field_class, subject_keys = FieldClass(name), keys.get(part["kid"])
            if only is not None and field_class not in only:
                continue
            if isinstance(subject_keys, Erased):
                erased.add(field_class)
            elif subject_keys is not None and field_class in subject_keys:
                fields.update(self._decrypt(field_class, part, subject_keys))
        return Opened(fields, frozenset(erased))

    def _decrypt(self, field_class: FieldClass, part: Mapping[str, str], keys: ClassKeys) -> dict[str, Any]:
        aad = _aad(str(self.event_id), field_class, part["kid"])
        try:
            raw = b64decode(part["ct"], validate=True)
            content = AESGCM(keys[field_class]).decrypt(raw[:12], raw[12:], aad)
        except (InvalidTag, ValueError):
            raise SealBroken(f"class {field_class} of event {self.event_id} does not open") from None
        opened: dict[str, Any] = json.loads(content)
        return opened


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


def _encrypt(key: bytes, event_id: str, field_class: FieldClass, subject: str, content: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, content, _aad(event_id, field_class, subject))


def _aad(event_id: str, field_class: FieldClass, subject: str) -> bytes:
    return f"{event_id}|{field_class}|{subject}|{VERSION}".encode()
