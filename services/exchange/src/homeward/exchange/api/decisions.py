"""Why a partner sees what it sees of an event."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.auth import Actor, require
from homeward.common.contracts import FieldClass
from homeward.common.contracts.base import AgencyId
from homeward.common.http import ServiceParts
from homeward.common.problems import Problem

from ..compare import former
from ..decide import verdict_now
from ..domain import CaseEvent
from ..judge import Judge
from ..policies import PolicySet, Verdict
from ..reading import suspended
from ..store import cases, feeds, policy_sets
from ..store import partners as registry
from .own import TheJudge

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])
Reader = Annotated[Actor, require("decisions:read")]


class ReleaseShown(BaseModel):
    """One generation of a release, or a retraction. A partner is told of its own neither by which policies
    it was withheld, nor how often the case has changed."""

    sequence: int
    kind: str
    state: str
    generation: int
    classes: list[str]
    withheld: list[str]
    policies: list[str] | None = None
    snapshot: str | None = None
    policy_digest: str | None
    case_revision: int | None = None
    partner_revision: int | None


class ClassShown(BaseModel):
    """What is decided about one class; without a policy, nothing permits it. A partner is told which
    policies permit, and of those that forbid only which speak of the partner itself."""

    field_class: FieldClass
    allowed: bool
    policies: tuple[str, ...]


class Explanation(BaseModel):
    """What was released of an event to one agency, and what is decided of each of its classes now."""

    event_id: UUID
    """As it was asked for."""
    type: str
    agency: str
    decided: bool
    """Whether a decision for this agency is recorded."""
    releases: list[ReleaseShown]
    classes: list[ClassShown]
    """None of them is named to a partner that does not see that there is such an event."""
    policy_digest: str
    """The policies that decide now."""
    policy_reasons: dict[str, str]


@router.get("/{event_id}")
async def explain(
    event_id: UUID, parts: ServiceParts, actor: Reader, judge: TheJudge, agency: AgencyId | None = None
) -> Explanation:
    """Per class allowed or withheld, by which policies, with their reasons in words.

    Staff name the event or one of its releases, and the agency. Partners name a release of their own (the
    ``id`` of what they were given); what is another's is not there.
    """
    theirs = actor.role == "partner"
    if theirs and agency not in {None, actor.organisation}:
        raise _not_found()
    async with parts.engine.connect() as db:
        if (partner := await registry.partner(db, agency or actor.organisation)) is None:
            raise suspended() if theirs else _not_found()
        if theirs and partner.suspended:
            raise suspended()
        about, person_id, rows = await _event(event_id, partner.agency, db, releases_only=theirs)
        verdict = await verdict_now(about, person_id, registry.partner_of(partner), judge, parts.clock(), db)
        known = [judge.policies, *(await _sets({row.policy_digest for row in rows}, db))]
    releases = [ReleaseShown.model_validate({**row._mapping, "sequence": row.seq}) for row in rows]
    classes = _classes(verdict) if verdict else []
    if theirs:
        classes = _for_partner(classes, judge)
        releases = [_without_case(one, visible=bool(classes)) for one in releases]
    named = {policy for release in releases for policy in release.policies or ()}
    named |= {policy for one in classes for policy in one.policies}
    return Explanation(
        event_id=event_id,
        type=about.type,
        agency=partner.agency,
        decided=partner.agency in about.told,
        releases=releases,
        classes=classes,
        policy_digest=judge.policies.digest,
        policy_reasons={name: _reason(name, known) for name in sorted(named)},
    )


def _not_found() -> Problem:
    return Problem(404, "not-found", "There is no such event, or no such partner.")


async def _event(
    named: UUID, agency: str, db: AsyncConnection, *, releases_only: bool
) -> tuple[CaseEvent, UUID | None, Sequence[Any]]:
    """The event of this id, or of which a release to the agency has it; whom it is about; all its releases
    to the agency. 404."""
    event_id = await feeds.event_of_release(db, agency, named)
    if event_id is None and not releases_only:
        event_id = named
    found = await cases.event(db, event_id) if event_id else None
    if event_id is None or found is None:
        raise _not_found()
    return *found, await feeds.releases_of_event(db, event_id, agency)


def _classes(verdict: Verdict) -> list[ClassShown]:
    return [
        ClassShown(field_class=c, allowed=c in verdict.classes, policies=policies)
        for c, policies in sorted(verdict.decided_by.items())
    ]


def _without_case(release: ReleaseShown, *, visible: bool) -> ReleaseShown:
    withheld = release.withheld if visible and release.state == feeds.LIVE else []
    hidden = {"policies": None, "snapshot": None, "case_revision": None}
    return release.model_copy(update=hidden | {"withheld": withheld})


def _for_partner(classes: Sequence[ClassShown], judge: Judge) -> list[ClassShown]:
    """What may be said to the partner: that the person is a child, say, it may not know."""
    if not any(one.allowed for one in classes if one.field_class == FieldClass.ENVELOPE):
        return []
    told = judge.policies.told_partners
    return [
        one
        if one.allowed
        else one.model_copy(update={"policies": tuple(p for p in one.policies if p in told)})
        for one in classes
    ]


async def _sets(digests: Collection[str | None], db: AsyncConnection) -> list[PolicySet]:
    """The sets of former decisions, as far as they were kept."""
    rows = [await policy_sets.last_activation(db, digest) for digest in sorted(filter(None, digests))]
    return [known for known in map(former, rows) if known is not None]


def _reason(policy: str, sets: Sequence[PolicySet]) -> str:
    return next((one.reasons[policy] for one in sets if policy in one.reasons), "")
