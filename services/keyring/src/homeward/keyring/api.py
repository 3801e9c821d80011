"""The keyring over HTTP: for services, each of which proves itself by an assertion signed with its key, and
for the operator."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from homeward.common import jose
from homeward.common.auth import Actor, require
from homeward.common.keyring_http import AUDIENCE
from homeward.common.keys import Erased
from homeward.common.openapi import refusals
from homeward.common.problems import Problem

from .domain import KekUnusable
from .keyring import LocalKeyring
from .rotation import Rotation, RotationRefused, RotationUnderWay
from .services import Services

router = APIRouter(prefix="/v1", tags=["keyring"], responses=refusals(401, 403))
operations = APIRouter(prefix="/v1/keyring", tags=["operations"])
Subject = Annotated[str, StringConstraints(pattern=r"^[a-z0-9:-]{1,80}$")]
Person = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,80}$")]
"""A report, reporter or person; not a service, whose own keys are never erased."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class KeysWanted(_Body):
    """Whose keys are wanted."""

    subjects: list[Subject] = Field(max_length=2_000)
    create: bool = False


class Keys(BaseModel):
    """Class keys, base64, of those that have some; erased subjects with the time; others are absent."""

    keys: dict[str, dict[str, str]]
    erased: dict[str, str]


class ErasureWanted(_Body):
    """Whose keys are to be destroyed, and for whom."""

    subjects: list[Person] = Field(min_length=1, max_length=2_000)
    person_id: UUID
    actor: Annotated[str, StringConstraints(pattern=r"^[a-z]+:[a-z0-9-]{1,63}$")]


class Erasure(BaseModel):
    """When the keys were destroyed (ISO 8601)."""

    erased_at: str


async def _caller(request: Request) -> LocalKeyring:
    services: Services = request.app.state.parts.own["services"]
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return services.keyring_of(services.authenticate(token, AUDIENCE))
    except jose.TokenRefused as error:
        raise Problem(
            401, "assertion-refused", f"The service's assertion was refused: {error}.", authenticate="Bearer"
        ) from None


Caller = Annotated[LocalKeyring, Depends(_caller)]


@router.post("/keys")
async def keys(wanted: KeysWanted, caller: Caller) -> Keys:
    """Create or resolve many subjects' class keys at once, of the classes the caller may hold."""
    found = await caller.class_keys(wanted.subjects, create=wanted.create)
    answer = Keys(keys={}, erased={})
    for subject, subject_keys in found.items():
        if isinstance(subject_keys, Erased):
            answer.erased[subject] = subject_keys.at.isoformat()
        else:
            answer.keys[subject] = {name: b64encode(key).decode() for name, key in subject_keys.items()}
    return answer


@router.post("/erasures")
async def erase(wanted: ErasureWanted, caller: Caller) -> Erasure:
    """Destroy data keys for ever. Only verification, which knows whose they are, may ask."""
    if caller.name != "verification":
        raise Problem(403, "not-entitled", "This service may not erase.")
    done = await caller.erase(wanted.subjects, person_id=str(wanted.person_id), actor=wanted.actor)
    return Erasure(erased_at=done.isoformat())


class Rotating(BaseModel):
    """All live data ``keys`` are wrapped by the key-encryption key ``kek_id``. While ``destroyed_at`` is null
    the former one is still mounted: take it away, then ask again."""

    kek_id: str
    former_kek_id: str
    keys: int
    destroyed_at: datetime | None


@operations.post("/rotations", responses=refusals(409))
async def rotate(request: Request, actor: Annotated[Actor, require("operations")]) -> Rotating:
    """Wrap every data key by a new key-encryption key and destroy the former one, or finish doing so;
    answers when that is done. Copies of the keyring's database made before are unreadable then."""
    rotation: Rotation = request.app.state.parts.own["rotation"]
    try:
        done = await rotation.run(actor.name)
    except RotationUnderWay as refused:
        raise Problem(409, "rotation-under-way", str(refused), retry_after=60) from None
    except RotationRefused as refused:
        raise Problem(409, "next-key-missing", str(refused)) from None
    except KekUnusable as unusable:
        raise Problem(503, "key-unusable", f"Nothing is changed: {unusable}.") from None
    return Rotating(**vars(done))
