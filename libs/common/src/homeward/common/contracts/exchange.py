"""Events of exchange: who may see what, what was released, what was read."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from .base import AgencyId, EnvelopeAgency, EnvelopeId, Event
from .classes import FieldClass
from .intake import GivenBy, Purpose

Classes = Annotated[tuple[FieldClass, ...], FieldClass.ENVELOPE]


class _ExchangeEvent(Event):
    SERVICE: ClassVar[str | None] = "exchange"


class PartnerProfile(BaseModel):
    """What the registry knows of a partner. The organisation is named, no person."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str
    kind: str
    country: str
    data_home: str
    purposes: tuple[Purpose, ...]
    clearance: tuple[FieldClass, ...]
    accredited: bool
    suspended: bool
    public_jwk: dict[str, str]


class PartnerChanged(_ExchangeEvent):
    """A partner was registered, suspended, resumed, or its key or attributes changed."""

    TYPE = "homeward.partner.changed.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    change: Annotated[Literal["registered", "suspended", "resumed", "key-rotated"], FieldClass.ENVELOPE]
    revision: Annotated[int, FieldClass.ENVELOPE]
    profile: Annotated[PartnerProfile | None, FieldClass.ENVELOPE] = None
    """As it is from now on."""


class PartnerKey(BaseModel):
    """A public key by which a partner proves itself: until another has taken its place, or until it was
    revoked."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    jwk: dict[str, str]
    since: datetime
    until: datetime | None = None
    revoked_at: datetime | None = None


class PartnerAccessChanged(_ExchangeEvent):
    """How a partner proves itself when it asks for tokens, from now on: all its keys, also those that have
    ended, and whether tokens must be bound to a key."""

    TYPE = "homeward.partner.access-changed.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    change: Annotated[
        Literal["registered", "key-added", "key-replaced", "key-revoked", "dpop-changed"],
        FieldClass.ENVELOPE,
    ]
    dpop: Annotated[Literal["required", "optional"], FieldClass.ENVELOPE]
    keys: Annotated[tuple[PartnerKey, ...], FieldClass.ENVELOPE]


class Farewell(BaseModel):
    """What a partner that left had been given, and what it has confirmed to have let go of."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    releases: int
    retractions: int
    unacknowledged: int
    """Retractions and erasures that it has not acknowledged."""
    acknowledged_sequence: int
    last_sequence: int


class PartnerStageChanged(_ExchangeEvent):
    """A partner is in another part of its life: it tries out with made-up people, is live, is leaving (all
    that it has is taken back), or has left."""

    TYPE = "homeward.partner.stage-changed.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    stage: Annotated[Literal["sandbox", "live", "leaving", "left"], FieldClass.ENVELOPE]
    revision: Annotated[int, FieldClass.ENVELOPE]
    farewell: Annotated[Farewell | None, FieldClass.ENVELOPE] = None
    reason: Annotated[str | None, FieldClass.PROTECTION] = None
    """Why it left, though it has not confirmed everything."""


class SandboxFed(_ExchangeEvent):
    """People were made up for a partner that tries out: these events are about them, and nobody's."""

    TYPE = "homeward.sandbox.fed.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    events: Annotated[tuple[UUID, ...], FieldClass.ENVELOPE]


class WebhookChanged(_ExchangeEvent):
    """A partner has its events sent somewhere, or no more; ``host`` is where, without the rest of the
    address, which may hold what only the partner is to know."""

    TYPE = "homeward.webhook.changed.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    change: Annotated[Literal["set", "secret-rotated", "recovered", "removed"], FieldClass.ENVELOPE]
    host: Annotated[str | None, FieldClass.ENVELOPE] = None


class PolicyActivated(_ExchangeEvent):
    """A policy set decides from now on."""

    TYPE = "homeward.policy.activated.v1"
    STREAM = "digest"

    digest: Annotated[str, FieldClass.ENVELOPE]
    policies: Annotated[tuple[str, ...], FieldClass.ENVELOPE]
    """Their ids."""
    origin: Annotated[Literal["release", "operator"], FieldClass.ENVELOPE] = "release"
    """Whether it came with a release, or an operator activated it."""
    reason: Annotated[str | None, FieldClass.PROTECTION] = None
    texts: Annotated[dict[str, str] | None, FieldClass.ENVELOPE] = None
    """By file name."""
    frame: Annotated[dict[str, str] | None, FieldClass.ENVELOPE] = None
    """What the release adds to them: the schema, and policies that are part of every set."""


class _PersonEvent(_ExchangeEvent):
    STREAM = "person_id"
    KEYED_BY = "person_id"

    person_id: EnvelopeId
    recipient: EnvelopeAgency


class ConsentGranted(_PersonEvent):
    """Somebody consented to classes going to a recipient for a purpose."""

    TYPE = "homeward.consent.granted.v1"

    consent_id: EnvelopeId
    purpose: Annotated[Purpose, FieldClass.ENVELOPE]
    classes: Classes
    given_by: Annotated[GivenBy, FieldClass.ENVELOPE]
    expires_at: Annotated[datetime | None, FieldClass.ENVELOPE] = None
    report_id: Annotated[UUID | None, FieldClass.ENVELOPE] = None


class ConsentWithdrawn(_PersonEvent):
    """A consent no longer holds."""

    TYPE = "homeward.consent.withdrawn.v1"

    consent_id: EnvelopeId
    purpose: Annotated[Purpose | None, FieldClass.ENVELOPE] = None


class ObjectionRaised(_PersonEvent):
    """The person objects to this recipient being told anything (ACTIP 14(3))."""

    TYPE = "homeward.objection.raised.v1"


class ObjectionWithdrawn(_PersonEvent):
    """The objection no longer holds."""

    TYPE = "homeward.objection.withdrawn.v1"


class HoldPlaced(_PersonEvent):
    """A protection hold: nothing goes to this recipient for safety's sake."""

    TYPE = "homeward.hold.placed.v1"


class HoldLifted(_PersonEvent):
    """The hold no longer holds."""

    TYPE = "homeward.hold.lifted.v1"


class Decision(BaseModel):
    """What one partner may see of one event, and why."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    agency: AgencyId
    release_id: UUID | None = None
    seq: int | None = None
    generation: int = 0
    classes: tuple[FieldClass, ...] = ()
    withheld: tuple[FieldClass, ...] = ()
    policies: tuple[str, ...] = ()
    snapshot: str
    """Digest of exactly what the policies were asked about."""
    partner_revision: int


class ReleaseDecided(_ExchangeEvent):
    """For one event: what each partner may see of it, under which policies."""

    TYPE = "homeward.release.decided.v1"
    STREAM = "decided_event_id"

    decided_event_id: EnvelopeId
    case_revision: Annotated[int, FieldClass.ENVELOPE]
    policy_digest: Annotated[str, FieldClass.ENVELOPE]
    decisions: Annotated[tuple[Decision, ...], FieldClass.ENVELOPE]


class ReleaseRetracted(_ExchangeEvent):
    """A partner may no longer see a release, or some classes of it."""

    TYPE = "homeward.release.retracted.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    release_id: EnvelopeId
    seq: Annotated[int, FieldClass.ENVELOPE]
    """The retraction's own sequence in the agency's feed."""
    retracted_seq: Annotated[int, FieldClass.ENVELOPE]
    classes: Annotated[tuple[FieldClass, ...] | None, FieldClass.ENVELOPE] = None
    """None: all of it."""
    erased: Annotated[bool, FieldClass.ENVELOPE] = False


class EventsRead(_ExchangeEvent):
    """A page left for a partner; recorded before its bytes did."""

    TYPE = "homeward.events.read.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    first_seq: Annotated[int, FieldClass.ENVELOPE]
    last_seq: Annotated[int, FieldClass.ENVELOPE]
    page_digest: Annotated[str, FieldClass.ENVELOPE]


class ExportMade(_ExchangeEvent):
    """A file of what a partner may see left for it; recorded before its bytes did."""

    TYPE = "homeward.export.made.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    format: Annotated[Literal["htcds", "pfif"], FieldClass.ENVELOPE]
    classes: Classes
    """Those that are in it."""
    persons: Annotated[int, FieldClass.ENVELOPE]
    digest: Annotated[str, FieldClass.ENVELOPE]
    """SHA-256 of the file."""


class ReadDenied(_ExchangeEvent):
    """A partner was refused."""

    TYPE = "homeward.read.denied.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    problem: Annotated[str, FieldClass.ENVELOPE]


class FeedAcknowledged(_ExchangeEvent):
    """A partner confirmed having handled its feed up to a sequence."""

    TYPE = "homeward.feed.acknowledged.v1"
    STREAM = "agency"

    agency: EnvelopeAgency
    seq: Annotated[int, FieldClass.ENVELOPE]
