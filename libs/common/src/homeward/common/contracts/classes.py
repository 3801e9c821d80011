"""Field classes: the unit in which information is sealed, released and proven."""

from enum import StrEnum


class FieldClass(StrEnum):
    """What a contract field tells about a person; policies permit or withhold whole classes.

    The names follow HTCDS (`prs_`, `vic_`, `cas_`) and the rules of sensitive data (PIPL 28).
    """

    ENVELOPE = "envelope"
    STATUS = "status"
    PERSON_IDENTITY = "person_identity"
    PERSON_DESCRIPTION = "person_description"
    REPORTER_IDENTITY = "reporter_identity"
    REPORTER_CONTACT = "reporter_contact"
    NARRATIVE = "narrative"
    LOCATION_COARSE = "location_coarse"
    LOCATION_PRECISE = "location_precise"
    HEALTH = "health"
    ASSESSMENT = "assessment"
    EVIDENCE = "evidence"
    REFERRAL = "referral"
    PROTECTION = "protection"


OPEN_CLASSES = frozenset(
    {FieldClass.ENVELOPE, FieldClass.STATUS, FieldClass.LOCATION_COARSE, FieldClass.REFERRAL}
)
"""Classes that travel readable between services: identifiers and code-list values only."""

SEALED_CLASSES = frozenset(FieldClass) - OPEN_CLASSES
"""Classes that are encrypted wherever they rest or travel."""
