"""Why a partner sees what it sees of an event."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from homeward.common.auth import Actor, require
from homeward.common.contracts import FieldClass
from homeward.common.contracts.base import AgencyId
from homeward.common.http import ServiceParts
from homeward.common.problems import Problem

from ..decide import verdict_now
from ..policies import Verdict
from ..store import cases, feeds
from ..store import partners as registry
from .own import TheJudge

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])
Reader = Annotated[Actor, require("decisions:read")]


class ReleaseShown(BaseModel):
    """One generation of a release."""

    sequence: int
    kind: str
    state: str
    generation: int
    classes: list[str]
    withheld: list[str]
    policies: list[str]
    snapshot: str | None
    policy_digest: str | None
    case_revision: int | None
    partner_revision: int | None


class ClassShown(BaseModel):
    """What is decided about one class; without a policy, nothing permits it."""

    field_class: FieldClass
    allowed: bool
    policies: tuple[str, ...]


class Explanation(BaseModel):
    """What was released of an event to one agency, and what is decided of each of its classes now."""

    event_id: UUID
    type: str
    agency: str
    decided: bool
    """Whether a decision for this agency is recorded."""
    releases: list[ReleaseShown]
    classes: list[ClassShown]
    policy_reasons: dict[str, str]


@router.get("/{event_id}")
async def explain(
    event_id: UUID, agency: AgencyId, parts: ServiceParts, actor: Reader, judge: TheJudge
) -> Explanation:
    """Per class allowed or withheld, by which policies, with their reasons in words."""
    async with parts.engine.connect() as db:
        event = await cases.event(db, event_id)
        partner = await registry.partner(db, agency)
        if event is None or partner is None:
            raise Problem(404, "not-found", "There is no such event, or no such partner.")
        rows = await feeds.releases_of_event(db, event_id, agency)
        verdict = await verdict_now(*event, registry.partner_of(partner), judge, parts.clock(), db)
    shown = [ReleaseShown.model_validate(_release(row)) for row in rows]
    named = {policy for release in shown for policy in release.policies}
    if verdict:
        named |= set(verdict.policies)
    return Explanation(
        event_id=event_id,
        type=event[0].type,
        agency=agency,
        decided=agency in event[0].told,
        releases=shown,
        classes=_classes(verdict) if verdict else [],
        policy_reasons={name: judge.policies.reasons.get(name, "") for name in sorted(named)},
    )


def _classes(verdict: Verdict) -> list[ClassShown]:
    return [
        ClassShown(field_class=c, allowed=c in verdict.classes, policies=policies)
        for c, policies in sorted(verdict.decided_by.items())
    ]


def _release(row: Any) -> dict[str, Any]:
    return {**row._mapping, "sequence": row.seq}
