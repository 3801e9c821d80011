"""Event contracts: what services tell each other, every field with its class.

Start at :mod:`base` for the rules; one module a service lists the events it owns; :data:`CONTRACTS`
maps each CloudEvents ``type`` to its contract.
"""

from .base import Event, Subject
from .classes import OPEN_CLASSES, SEALED_CLASSES, FieldClass
from .exchange import (
    ConsentGranted,
    ConsentWithdrawn,
    EventsRead,
    ExportMade,
    Farewell,
    FeedAcknowledged,
    HoldLifted,
    HoldPlaced,
    ObjectionRaised,
    ObjectionWithdrawn,
    PartnerAccessChanged,
    PartnerChanged,
    PartnerKey,
    PartnerProfile,
    PartnerStageChanged,
    PolicyActivated,
    ReadDenied,
    ReleaseDecided,
    ReleaseRetracted,
    SandboxFed,
    WebhookChanged,
)
from .intake import ReportReceived, StatedConsent
from .keyring import KekDestroyed, KeysHandedOut, KeysRewrapped, SubjectErased
from .operations import DatabaseRestored, DeadLetterRetried, DeadLetterSkipped, HistoryRead
from .referral import (
    CaseClosed,
    CaseOpened,
    ReferralAccepted,
    ReferralCompleted,
    ReferralOpened,
    ReferralRejected,
    ReferralRevoked,
)
from .registry import CONTRACTS, contract_of
from .verification import PersonRegistered, ReportLinked, ReportUnlinked, StatusAsserted

__all__ = [
    "CONTRACTS",
    "OPEN_CLASSES",
    "SEALED_CLASSES",
    "CaseClosed",
    "CaseOpened",
    "ConsentGranted",
    "ConsentWithdrawn",
    "DatabaseRestored",
    "DeadLetterRetried",
    "DeadLetterSkipped",
    "Event",
    "EventsRead",
    "ExportMade",
    "Farewell",
    "FeedAcknowledged",
    "FieldClass",
    "HistoryRead",
    "HoldLifted",
    "HoldPlaced",
    "KekDestroyed",
    "KeysHandedOut",
    "KeysRewrapped",
    "ObjectionRaised",
    "ObjectionWithdrawn",
    "PartnerAccessChanged",
    "PartnerChanged",
    "PartnerKey",
    "PartnerProfile",
    "PartnerStageChanged",
    "PersonRegistered",
    "PolicyActivated",
    "ReadDenied",
    "ReferralAccepted",
    "ReferralCompleted",
    "ReferralOpened",
    "ReferralRejected",
    "ReferralRevoked",
    "ReleaseDecided",
    "ReleaseRetracted",
    "ReportLinked",
    "ReportReceived",
    "ReportUnlinked",
    "SandboxFed",
    "StatedConsent",
    "StatusAsserted",
    "Subject",
    "SubjectErased",
    "WebhookChanged",
    "contract_of",
]
