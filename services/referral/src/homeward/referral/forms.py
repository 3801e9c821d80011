"""What referral's HTTP API takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from homeward.common.contracts import FieldClass
from homeward.common.contracts.base import AgencyId
from homeward.common.contracts.referral import Priority, RejectionReason, Service

from .domain import State


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Opening(_Body):
    """What is asked of whom, and exactly which classes are to be disclosed for it."""

    receiving_agency: AgencyId
    services: Annotated[frozenset[Service], Field(min_length=1)]
    priority: Priority
    classes: Annotated[frozenset[FieldClass], Field(min_length=1)]


class Rejecting(_Body):
    """Why the receiver does not take it on."""

    reason: RejectionReason


class Completing(_Body):
    """What came of it; ``reason`` exactly when it was not successful."""

    outcome: Literal["successful", "not_successful"]
    reason: RejectionReason | None = None


class Referral(BaseModel):
    """One organisation asking another for services. Times are UTC."""

    referral_id: UUID
    case_id: UUID | None
    """Shown to caseworkers only: partners know cases by ids of their own."""
    asking_organisation: str
    receiving_agency: str
    services: list[Service]
    priority: Priority
    classes: list[FieldClass]
    state: State
    opened_at: datetime
    respond_by: datetime
    moved_at: datetime | None = None
    outcome: Literal["successful", "not_successful"] | None = None
    reason: RejectionReason | None = None

    @classmethod
    def of(cls, row: Any, *, to_partner: bool) -> "Referral":
        """A row as shown to a caseworker or to the receiving agency."""
        return cls.model_validate({**row._mapping, **({"case_id": None} if to_partner else {})})


class Referrals(BaseModel):
    """Oldest first; ask again with ``after`` the last one's id for more."""

    referrals: list[Referral]


class Case(BaseModel):
    """The coordination work for one person."""

    case_id: UUID
    person_id: UUID
    case_status: str
    search_status: str
    opened_at: datetime
    closed_at: datetime | None
    reason: str | None
    """Why it was closed."""
    referrals: list[Referral]


class Cases(BaseModel):
    """Cases found; empty while a person's is not open yet."""

    cases: list[Case]
