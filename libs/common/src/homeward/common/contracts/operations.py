"""Events any service may emit: what operators and auditors did."""

from typing import Annotated, ClassVar
from uuid import UUID

from .base import EnvelopeId, Event
from .classes import FieldClass


class _DeadLetterEvent(Event):
    SERVICE: ClassVar[str | None] = None
    STREAM = "dead_letter_id"

    dead_letter_id: EnvelopeId
    event_id: Annotated[UUID | None, FieldClass.ENVELOPE] = None


class DeadLetterSkipped(_DeadLetterEvent):
    """An operator decided that a record will never be handled."""

    TYPE = "homeward.dead-letter.skipped.v1"

    reason: Annotated[str | None, FieldClass.PROTECTION] = None


class DeadLetterRetried(_DeadLetterEvent):
    """An operator asked for a record, and what waits behind it, to be handled again."""

    TYPE = "homeward.dead-letter.retried.v1"


class DatabaseRestored(Event):
    """A service's database was older than its topic: it goes on as a new source."""

    TYPE = "homeward.database.restored.v1"
    SERVICE: ClassVar[str | None] = None
    STREAM = "service"

    service: Annotated[str, FieldClass.ENVELOPE]
    epoch: Annotated[int, FieldClass.ENVELOPE]
    """The new one."""
    last_sequence: Annotated[int, FieldClass.ENVELOPE]
    """The newest of the epochs before, by the topic."""
    read_again: Annotated[int, FieldClass.ENVELOPE]
    """How many of its own events the database had lost."""


class HistoryRead(Event):
    """An auditor read stored events or their proofs."""

    TYPE = "homeward.history.read.v1"
    SERVICE = "audit"
    STREAM = "reader"

    reader: Annotated[str, FieldClass.ENVELOPE]
    first: Annotated[int, FieldClass.ENVELOPE]
    last: Annotated[int, FieldClass.ENVELOPE]
