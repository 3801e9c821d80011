"""Events of the keyring: who was given keys, whose keys are gone."""

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


class KeysHandedOut(Event):
    """A service was given class keys of these subjects."""

    TYPE = "homeward.keys.handed-out.v1"
    SERVICE = "keyring"
    STREAM = "service"

    service: Annotated[str, FieldClass.ENVELOPE]
    classes: Annotated[tuple[str, ...], FieldClass.ENVELOPE]
    subjects: Annotated[tuple[str, ...], FieldClass.ENVELOPE]
