"""What exchange's routes need of its own parts."""

import asyncio
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from homeward.common.http import ServiceParts
from homeward.common.problems import Problem

from ..bell import Bell
from ..issuer import Issuer
from ..judge import Judge
from ..settings import Settings


class Body(BaseModel):
    """A request body: unknown fields are refused, values never shown in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _one_line(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise PydanticCustomError("not_one_line", "empty, or with control characters")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
"""A name for people, on one line."""


Kid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""A key's thumbprint (RFC 7638)."""


class Key(BaseModel):
    """A key by its thumbprint (RFC 7638): ``until`` when it is good, if that is settled, or when it was
    revoked."""

    kid: str
    since: datetime
    until: datetime | None
    revoked_at: datetime | None


class Keys(BaseModel):
    """All keys that a partner ever had, the newest first."""

    keys: list[Key]


def keys_of(rows: Iterable[Any]) -> list[Key]:
    """As they are shown."""
    return [Key.model_validate({name: getattr(row, name) for name in Key.model_fields}) for row in rows]


def public_key(jwk: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The thumbprint of a public Ed25519 key, and the key without what else came with it; 422 for anything
    else. A private one is refused so that it can be thrown away by its owner."""
    errors = [{"field": "public_jwk", "code": "not_a_public_key", "detail": "Send a public Ed25519 JWK."}]
    if "d" in jwk:
        errors[0]["detail"] = "This is a private key. Make a new one; send its public half only."
    else:
        try:
            key = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")})
            if key.curve_name == "Ed25519":
                public = key.as_dict(private=False)
                return key.thumbprint(), {name: public[name] for name in ("kty", "crv", "x")}
        except (JoseError, KeyError, ValueError, TypeError):
            pass
    raise Problem(422, "invalid-request", "The key cannot be used.", errors=errors)


async def judge_of(parts: ServiceParts) -> Judge:
    """The policies and what else deciding needs."""
    return cast(Judge, parts.own["judge"])


async def issuer_of(parts: ServiceParts) -> Issuer:
    """The token issuer."""
    return cast(Issuer, parts.own["issuer"])


async def bell_of(parts: ServiceParts) -> Bell:
    """What rings when a feed grows."""
    return cast(Bell, parts.own["bell"])


async def streams_of(parts: ServiceParts) -> asyncio.Semaphore:
    """As many places as there may be streams."""
    return cast(asyncio.Semaphore, parts.own["streams"])


async def settings_of(parts: ServiceParts) -> Settings:
    """Exchange's own settings."""
    return cast(Settings, parts.settings)


TheJudge = Annotated[Judge, Depends(judge_of)]
TheIssuer = Annotated[Issuer, Depends(issuer_of)]
TheBell = Annotated[Bell, Depends(bell_of)]
TheStreams = Annotated[asyncio.Semaphore, Depends(streams_of)]
TheSettings = Annotated[Settings, Depends(settings_of)]
