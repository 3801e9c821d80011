"""The policies: which decide, what others would change, and to have others decide."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.auth import Actor, require
from homeward.common.contracts import FieldClass
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from ..activation import activate, follow
from ..compare import Difference, candidate, compare, former
from ..judge import Judge
from ..policies import PoliciesRefused, PolicySet
from ..store import partners as registry
from ..store import policy_sets
from .own import Body, Name, TheJudge

router = APIRouter(prefix="/v1/policies", tags=["policies"])
Reader = Annotated[Actor, require("policies:read")]
Writer = Annotated[Actor, require("policies:write")]
LARGEST = 200_000
"""Characters of a whole set: it goes into one event."""
PERSONS = 100
"""Looked at in one request, which must not take long."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}\.cedar$")]
Texts = Annotated[
    dict[FileName, Annotated[str, StringConstraints(max_length=LARGEST)]], Field(min_length=1, max_length=100)
]
"""Cedar, by file name: a whole set, in place of the one that decides."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Check(Body):
    """A set to be compared with the one that decides."""

    texts: Texts
    after: UUID | None = None
    """Go on behind this person, as the answer before said."""


class Activation(Body):
    """A set that is to decide from now on, and why."""

    texts: Texts
    reason: Name
    replaces: Digest | None = None
    """The set that must be the one that decides; else nothing is changed."""


class Policy(BaseModel):
    """A policy, why it is there, and whether it permits or forbids."""

    id: str
    effect: Literal["permit", "forbid"]
    reason: str


class Redeciding(BaseModel):
    """Everything is being decided again in the background; reads do not wait for it."""

    reason: str
    started_at: datetime | None
    persons_decided: int
    persons: int


class ActiveSet(BaseModel):
    """A policy set, and by whom it was activated last."""

    digest: str
    policies: list[Policy]
    texts: dict[str, str]
    frame: dict[str, str]
    """What the release adds to them: ``schema``, and what is ``always`` part of a set."""
    origin: str
    reason: str | None
    activated_by: str | None
    activated_at: datetime | None
    redeciding: list[Redeciding]


class Effect(BaseModel):
    """In how many events an agency would see a class that it does not see now, or no more see it."""

    agency: str
    field_class: FieldClass
    revealed: int
    withdrawn: int


class Checked(BaseModel):
    """What a set would change: in itself, and for the persons that were looked at."""

    digest: str
    active_digest: str
    added: list[Policy]
    removed: list[Policy]
    changed: list[Policy]
    effects: list[Effect]
    persons: int
    """Looked at in this request."""
    all_persons: int
    next: UUID | None
    """Ask again with this as ``after``; without it, everybody was looked at."""


@router.get("")
async def active(parts: ServiceParts, actor: Reader, judge: TheJudge) -> ActiveSet:
    """The set that decides, and how far deciding everything again by it has got."""
    async with parts.engine.connect() as db:
        return await _active(judge, db)


@router.get("/{digest}")
async def by_digest(
    digest: Annotated[str, Path(max_length=64)], parts: ServiceParts, actor: Reader
) -> ActiveSet:
    """A set that decides or once did, as decisions name it."""
    async with parts.engine.connect() as db:
        row = await policy_sets.last_activation(db, digest)
    policies = former(row)
    if policies is None:
        raise Problem(404, "not-found", "No such policy set is known here.")
    return _shown(policies, row)


@router.post("/check")
async def check(body: Check, parts: ServiceParts, actor: Reader, judge: TheJudge) -> Checked:
    """What a set would newly reveal or withdraw, by agency and class, of what is known of the next persons;
    nothing is changed."""
    policies = _valid(body.texts)
    async with parts.engine.connect() as db:
        found = await compare(policies, judge, db, parts.clock(), after=body.after, limit=PERSONS)
        everybody = await registry.number_of_persons(db)
    now, then = _by_id(judge.policies), _by_id(policies)
    return Checked(
        digest=policies.digest,
        active_digest=judge.policies.digest,
        added=[then[name] for name in sorted(then.keys() - now.keys())],
        removed=[now[name] for name in sorted(now.keys() - then.keys())],
        changed=[then[name] for name in policies.differing(judge.policies)],
        effects=_effects(found),
        persons=found.persons,
        all_persons=everybody,
        next=found.last if found.persons == PERSONS else None,
    )


@router.post("", response_model=ActiveSet)
async def activate_set(
    body: Activation, request: Request, parts: ServiceParts, actor: Writer, judge: TheJudge,
    key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    """Have a set decide from now on: the next read obeys it; who has read more already is told in the
    background. A set that is not valid is refused as a whole."""
    policies = _valid(body.texts)
    async with parts.transaction(actor.name) as tx:

        async def work() -> ActiveSet:
            await registry.change(tx.db)
            await _must_replace(body.replaces, judge, tx)
            await activate(policies, "operator", tx, body.reason)
            return await _active(judge, tx.db, policies)

        return await answer_once(tx, request, key, work, status=200)


async def _must_replace(digest: str | None, judge: Judge, tx: Tx) -> None:
    newest = await policy_sets.newest(tx.db)
    decides = newest.digest if newest else judge.packaged.digest
    if digest not in {None, decides}:
        detail = "Other policies decide by now than those that were to be replaced. Check again."
        raise Problem(409, "other-policies", detail, active_digest=decides)


async def _active(judge: Judge, db: AsyncConnection, policies: PolicySet | None = None) -> ActiveSet:
    if policies is None:
        await follow(judge, db)
        policies = judge.policies
    row = await policy_sets.last_activation(db, policies.digest)
    under_way = [
        Redeciding(
            reason=sweep.reason,
            started_at=sweep.started_at,
            persons_decided=sweep.decided,
            persons=sweep.persons,
        )
        for sweep in await registry.sweeps_under_way(db)
    ]
    return _shown(policies, row, under_way)


def _shown(policies: PolicySet, row: Any, under_way: list[Redeciding] | None = None) -> ActiveSet:
    known = row._mapping if row else {"origin": "release"}
    told = {name: known.get(name) for name in ("origin", "reason", "activated_by", "activated_at")}
    return ActiveSet.model_validate(
        {
            "digest": policies.digest,
            "policies": list(_by_id(policies).values()),
            "texts": policies.texts,
            "frame": policies.frame,
            "redeciding": under_way or [],
            **told,
        }
    )


def _valid(texts: Mapping[str, str]) -> PolicySet:
    """The set of these texts; 422 if it is not valid, or too large."""
    try:
        if sum(map(len, texts.values())) > LARGEST:
            raise PoliciesRefused(f"more than {LARGEST} characters in all")
        return candidate(texts)
    except PoliciesRefused as refused:
        errors = [{"field": "texts", "code": "policies_refused", "detail": str(refused)[:2_000]}]
        detail = "The policies are not valid, and nothing of them is used."
        raise Problem(422, "policies-refused", detail, errors=errors) from None


def _by_id(policies: PolicySet) -> dict[str, Policy]:
    return {
        name: Policy(id=name, effect=policies.effects[name], reason=policies.reasons[name])
        for name in policies.ids
    }


def _effects(found: Difference) -> list[Effect]:
    return [
        Effect(agency=agency, field_class=c, revealed=found.revealed[agency, c],
               withdrawn=found.withdrawn[agency, c])
        for agency, c in sorted(found.revealed.keys() | found.withdrawn.keys())
    ]  # fmt: skip
