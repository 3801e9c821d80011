"""Events of referral: who helps."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from .base import EnvelopeAgency, EnvelopeId, Event
from .classes import FieldClass


class Service(StrEnum):
    """What one organisation asks another for."""

    SHELTER = "shelter"
    IDENTIFICATION = "identification"
    MEDICAL_CARE = "medical_care"
    LEGAL_HELP = "legal_help"
    RETURN = "return"
    SEARCH = "search"
    FAMILY_CONTACT = "family_contact"


class Priority(StrEnum):
    """How soon the receiver is asked to respond."""

    HOURS_24 = "24h"
    HOURS_72 = "72h"
    WEEKS_2 = "2w"


class RejectionReason(StrEnum):
    """Why a referral did not succeed (Primero's list)."""

    CLIENT_REFUSED_SERVICES = "client_refused_services"
    LACK_OF_CAPACITY = "lack_of_capacity"
    SERVICES_NO_LONGER_NEEDED = "services_no_longer_needed"
    UNABLE_TO_CONTACT_CLIENT = "unable_to_contact_client"
    UNABLE_TO_CONTACT_ORGANIZATION = "unable_to_contact_referred_to_organization"
    OTHER = "other"


class _CaseEvent(Event):
    SERVICE = "referral"
    STREAM = "case_id"
    KEYED_BY = "person_id"

    case_id: EnvelopeId
    person_id: EnvelopeId


class CaseOpened(_CaseEvent):
    """The coordination work for one person began."""

    TYPE = "homeward.case.opened.v1"

    case_status: Annotated[Literal["Active"] | None, FieldClass.STATUS] = None
    search_status: Annotated[str | None, FieldClass.STATUS] = None
    """PFIF note status."""


class CaseClosed(_CaseEvent):
    """The work for one person ended."""

    TYPE = "homeward.case.closed.v1"

    case_status: Annotated[Literal["Closed", "ClosedReferred"] | None, FieldClass.STATUS] = None
    reason: Annotated[str | None, FieldClass.STATUS] = None


class _ReferralEvent(_CaseEvent):
    referral_id: EnvelopeId
    receiving_agency: EnvelopeAgency


class ReferralOpened(_ReferralEvent):
    """One organisation asked another for services; names exactly the classes to be disclosed."""

    TYPE = "homeward.referral.opened.v1"

    classes: Annotated[tuple[FieldClass, ...], FieldClass.ENVELOPE] = ()
    services: Annotated[tuple[Service, ...] | None, FieldClass.REFERRAL] = None
    priority: Annotated[Priority | None, FieldClass.REFERRAL] = None
    respond_by: Annotated[datetime | None, FieldClass.REFERRAL] = None
    asking_organisation: Annotated[str | None, FieldClass.PROTECTION] = None


class ReferralAccepted(_ReferralEvent):
    """The receiver takes it on."""

    TYPE = "homeward.referral.accepted.v1"


class ReferralRejected(_ReferralEvent):
    """The receiver does not take it on."""

    TYPE = "homeward.referral.rejected.v1"

    reason: Annotated[RejectionReason | None, FieldClass.REFERRAL] = None


class ReferralCompleted(_ReferralEvent):
    """The services were given, or could not be."""

    TYPE = "homeward.referral.completed.v1"

    outcome: Annotated[Literal["successful", "not_successful"] | None, FieldClass.REFERRAL] = None
    reason: Annotated[RejectionReason | None, FieldClass.REFERRAL] = None


class ReferralRevoked(_ReferralEvent):
    """The asking organisation took the referral back; what it disclosed is retracted."""

    TYPE = "homeward.referral.revoked.v1"
