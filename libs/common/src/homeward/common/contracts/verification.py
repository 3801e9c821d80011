"""Events of verification: whom the reports are about."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from .base import EnvelopeId, Event
from .classes import FieldClass


class LinkBasis(StrEnum):
    """Why two reports are held to be about one person."""

    ID_NUMBER = "id_number"
    PASSPORT_NUMBER = "passport_number"
    NAME_AND_DATE_OF_BIRTH = "name_and_date_of_birth"
    REVIEW = "review"


class TraffickingStatus(StrEnum):
    """HTCDS `vic_TraffickingStatus`."""

    POSSIBLE = "PossibleVictimOfTrafficking"
    ACTUAL = "ActualVictimOfTrafficking"
    NOT = "NotAVictimOfTrafficking"


class DecidingOrganisation(StrEnum):
    """HTCDS `vic_TraffickinStatusDecisionMakingOrg` (sic)."""

    POLICE = "Police"
    NGO = "NGO"
    COURT_OR_PROSECUTION = "CourtOrProsecution"
    NON_POLICE_GOVERNMENTAL = "NonPoliceGovernmentalOrganization"
    OTHER = "Other"


class _PersonEvent(Event):
    STREAM = "person_id"
    SERVICE = "verification"
    KEYED_BY = "person_id"

    person_id: EnvelopeId


class PersonRegistered(_PersonEvent):
    """A report is about somebody no earlier report was about."""

    TYPE = "homeward.person.registered.v1"

    report_id: EnvelopeId


class ReportLinked(_PersonEvent):
    """A further report was linked to a known person; links are reversible."""

    TYPE = "homeward.report.linked.v1"

    report_id: EnvelopeId
    basis: Annotated[LinkBasis, FieldClass.ENVELOPE]


class ReportUnlinked(_PersonEvent):
    """A link was a mistake: the report is about ``new_person_id`` from now on."""

    TYPE = "homeward.report.unlinked.v1"

    report_id: EnvelopeId
    new_person_id: EnvelopeId


class StatusAsserted(_PersonEvent):
    """Somebody's assertion about a person; append-only, several may coexist."""

    TYPE = "homeward.status.asserted.v1"

    assertion_id: EnvelopeId
    trafficking_status: Annotated[TraffickingStatus | None, FieldClass.STATUS] = None
    deciding_organisation: Annotated[DecidingOrganisation | None, FieldClass.STATUS] = None
    asserted_at: Annotated[datetime | None, FieldClass.STATUS] = None
    reason: Annotated[str | None, FieldClass.ASSESSMENT] = None
