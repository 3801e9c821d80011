"""What verification's HTTP API takes and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from homeward.common.contracts.verification import DecidingOrganisation, TraffickingStatus

Text = Annotated[str, StringConstraints(min_length=3, max_length=4_000, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Status(BaseModel):
    """Somebody's assertion about a person; its reason is not shown here."""

    assertion_id: UUID
    person_id: UUID
    trafficking_status: TraffickingStatus
    deciding_organisation: DecidingOrganisation
    asserted_at: datetime


class Person(BaseModel):
    """Whom reports are about, by identifiers alone; statuses oldest first, none overruling another.

    Of an erased person nothing can be opened since ``erased_at``, and nothing that older backups hold since
    ``backups_unreadable_since``, which is null until the key-encryption key is changed.
    """

    person_id: UUID
    registered_at: datetime
    erased_at: datetime | None = None
    backups_unreadable_since: datetime | None = None
    report_ids: list[UUID]
    statuses: list[Status]


class Persons(BaseModel):
    """Persons found; empty while a report has not been matched yet."""

    persons: list[Person]


class Counts(BaseModel):
    """What is kept and readable now; ``erased`` are persons."""

    reports: int
    persons: int
    erased: int


class Asserting(_Body):
    """A status, by whom it was decided, and why: a reason is due for "not a victim"."""

    trafficking_status: TraffickingStatus
    deciding_organisation: DecidingOrganisation
    reason: Text | None = None


class Erasing(_Body):
    """``reporters``: those who reported wish to be erased as well."""

    reporters: bool = False


class Erasure(BaseModel):
    """Since when nothing sealed about the person can be opened."""

    person_id: UUID
    erased_at: datetime


class Unlinking(BaseModel):
    """Whom the report is about now."""

    report_id: UUID
    person_id: UUID
    new_person_id: UUID


class Rebuilding(BaseModel):
    """What a rebuild of the matching index read and how long it took."""

    reports: int
    keys: int
    seconds: float
