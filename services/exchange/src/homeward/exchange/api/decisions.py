"""Why a partner sees what it sees of an event."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from homeward.common.auth import Actor, require
from homeward.common.contracts.base import AgencyId
from homeward.common.http import ServiceParts
from homeward.common.problems import Problem

from ..store import cases, feeds
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


class Explanation(BaseModel):
    """What was decided about an event for one agency; no release means that nothing permits it."""

    event_id: UUID
    type: str
    agency: str
    decided: bool
    releases: list[ReleaseShown]
    policy_reasons: dict[str, str]


@router.get("/{event_id}")
async def explain(
    event_id: UUID, agency: AgencyId, parts: ServiceParts, actor: Reader, judge: TheJudge
) -> Explanation:
    """Per class allowed or withheld, by which policies, with their reasons in words."""
    async with parts.engine.connect() as db:
        event = await cases.event(db, event_id)
        if event is None:
            raise Problem(404, "not-found", "There is no such event.")
        rows = await feeds.releases_of_event(db, event_id, agency)
    shown = [ReleaseShown.model_validate(_release(row)) for row in rows]
    named = {policy for release in shown for policy in release.policies}
    return Explanation(
        event_id=event_id,
        type=event.type,
        agency=agency,
        decided=event.decided,
        releases=shown,
        policy_reasons={name: judge.policies.reasons.get(name, "") for name in sorted(named)},
    )


def _release(row: Any) -> dict[str, Any]:
    return {**row._mapping, "sequence": row.seq}
