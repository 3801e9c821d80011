"""Events of the keyring: who was given keys, whose keys are gone, what they were wrapped by."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from .base import EnvelopeId, Event
from .classes import FieldClass


class SubjectErased(Event):
    """The data keys of these subjects were destroyed; nothing sealed under them can be opened again."""

    TYPE = "homeward.subject.erased.v1"
    SERVICE = "keyring"
    STREAM = "erasure_id"

    erasure_id: EnvelopeId
    subjects: Annotated[tuple[str, ...], FieldClass.ENVELOPE]
    person_id: Annotated[UUID | None, FieldClass.ENVELOPE] = None
    erased_at: Annotated[datetime, FieldClass.ENVELOPE]
    kek_ids: Annotated[tuple[str, ...] | None, FieldClass.ENVELOPE] = None
    """What the keys were wrapped by: copies of the keyring's database made before hold them until these
    key-encryption keys are destroyed too (``homeward.kek.destroyed.v1``)."""


class KeysHandedOut(Event):
    """A service was given class keys of these subjects."""

    TYPE = "homeward.keys.handed-out.v1"
    SERVICE = "keyring"
    STREAM = "service"

    service: Annotated[str, FieldClass.ENVELOPE]
    classes: Annotated[tuple[str, ...], FieldClass.ENVELOPE]
    subjects: Annotated[tuple[str, ...], FieldClass.ENVELOPE]


class KeysRewrapped(Event):
    """All live data keys are wrapped by another key-encryption key now, and none by the former one."""

    TYPE = "homeward.keys.rewrapped.v1"
    SERVICE = "keyring"
    STREAM = "kek_id"

    kek_id: Annotated[str, FieldClass.ENVELOPE]
    former_kek_id: Annotated[str, FieldClass.ENVELOPE]
    keys: Annotated[int, FieldClass.ENVELOPE]
    """How many data keys were each seen to open under the new one."""
    rewrapped_at: Annotated[datetime, FieldClass.ENVELOPE]


class KekDestroyed(Event):
    """A key-encryption key is no more: what copies of the keyring's database hold under it, erased people's
    keys among it, cannot be opened any more."""

    TYPE = "homeward.kek.destroyed.v1"
    SERVICE = "keyring"
    STREAM = "kek_id"

    kek_id: Annotated[str, FieldClass.ENVELOPE]
    destroyed_at: Annotated[datetime, FieldClass.ENVELOPE]
