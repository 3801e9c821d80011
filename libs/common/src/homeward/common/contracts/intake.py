"""Events of intake: what people told us."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from .base import AgencyId, Country, EnvelopeId, Event
from .classes import FieldClass

Identity = FieldClass.PERSON_IDENTITY
Description = FieldClass.PERSON_DESCRIPTION


class GivenBy(StrEnum):
    """Who consented; a family's consent is not the victim's."""

    SELF = "self"
    GUARDIAN = "guardian"
    NONE_UNREACHABLE = "none_unreachable"


class Purpose(StrEnum):
    """What a recipient may use a class for."""

    SEARCH = "search"
    IDENTIFICATION = "identification"
    ASSISTANCE = "assistance"


class StatedConsent(BaseModel):
    """A consent as stated with a report: per purpose × recipient × field classes, never one checkbox."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    purpose: Purpose
    recipient: AgencyId
    classes: frozenset[FieldClass] = Field(min_length=1)
    given_by: GivenBy
    expires_at: datetime | None = None


class ReportReceived(Event):
    """A report was accepted. Values are as the reporter wrote them; `*_read` fields as we read them."""

    TYPE = "homeward.report.received.v1"
    SERVICE = "intake"
    STREAM = "report_id"
    KEYED_BY = "report_id"
    ALSO_KEYED_BY: ClassVar[dict[FieldClass, str]] = {
        FieldClass.REPORTER_IDENTITY: "reporter_id",
        FieldClass.REPORTER_CONTACT: "reporter_id",
    }

    report_id: EnvelopeId
    reporter_id: EnvelopeId
    kind: Annotated[Literal["missing", "found"], FieldClass.ENVELOPE]
    received_at: Annotated[datetime, FieldClass.ENVELOPE]
    channel: Annotated[Literal["api", "list", "page"], FieldClass.ENVELOPE]

    full_name: Annotated[str | None, Identity] = None
    alternate_names: Annotated[tuple[str, ...] | None, Identity] = None
    sex: Annotated[Literal["M", "F"] | None, Identity] = None
    date_of_birth: Annotated[str | None, Identity] = None
    age: Annotated[int | None, Identity] = None
    id_number: Annotated[str | None, Identity] = None
    passport_number: Annotated[str | None, Identity] = None
    phone: Annotated[str | None, Identity] = None
    wechat: Annotated[str | None, Identity] = None
    citizenship: Annotated[tuple[str, ...] | None, Identity] = None

    home_province: Annotated[str | None, Description] = None
    home_city: Annotated[str | None, Description] = None
    physical_description: Annotated[str | None, Description] = None

    last_known_country: Annotated[Country | None, FieldClass.LOCATION_COARSE] = None
    """The country of the last known location, where it could be told."""
    last_known_location: Annotated[str | None, FieldClass.LOCATION_PRECISE] = None
    missing_since: Annotated[str | None, FieldClass.NARRATIVE] = None
    narrative: Annotated[str | None, FieldClass.NARRATIVE] = None
    appeal: Annotated[str | None, FieldClass.NARRATIVE] = None
    police_case: Annotated[str | None, FieldClass.EVIDENCE] = None
    source_list: Annotated[str | None, FieldClass.EVIDENCE] = None
    unreadable: Annotated[dict[str, str] | None, FieldClass.EVIDENCE] = None
    """Cells that could not be read, by column, exactly as they came."""

    reporter_name: Annotated[str | None, FieldClass.REPORTER_IDENTITY] = None
    reporter_relationship: Annotated[str | None, FieldClass.REPORTER_IDENTITY] = None
    reporter_reference: Annotated[str | None, FieldClass.REPORTER_IDENTITY] = None
    reporter_contact: Annotated[str | None, FieldClass.REPORTER_CONTACT] = None

    organisation: Annotated[str | None, FieldClass.PROTECTION] = None
    """Who handed it in: known to nobody but us, since some must not hear who speaks of whom."""
    consents: Annotated[tuple[StatedConsent, ...] | None, FieldClass.PROTECTION] = None
