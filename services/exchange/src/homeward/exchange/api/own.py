"""What exchange's routes need of its own parts."""

import asyncio
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from homeward.common.http import ServiceParts
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from ..bell import Bell
from ..federation import Federation, kid_of
from ..issuer import Issuer
from ..judge import Judge
from ..settings import Settings
from ..store import partners as registry


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


class Vouched(Body):
    """A client of another issuer, which the operator trusts to vouch for it: the ``iss`` of its tokens, and
    the client's id there (``azp`` or ``client_id``)."""

    issuer: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,300}$")]
    client_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]


class Credential(Body):
    """How a partner proves itself: by a public key (JWK, Ed25519), or by whom another issuer knows it as."""

    public_jwk: dict[str, Any] | None = None
    vouched: Vouched | None = Field(default=None, examples=[None])


def credential_of(body: Credential, federation: Federation) -> tuple[str, dict[str, str]]:
    """What names it, and what is kept of it; 422 for neither or both, a key that cannot be used, or an
    issuer that is not trusted."""
    if (body.public_jwk is None) == (body.vouched is None):
        errors = [{"field": "public_jwk", "code": "one_of", "detail": "Send either public_jwk or vouched."}]
        raise Problem(422, "invalid-request", "There must be one way to prove itself.", errors=errors)
    if body.public_jwk is not None:
        return public_key(body.public_jwk)
    assert body.vouched is not None
    if not federation.trusts(body.vouched.issuer):
        errors = [{"field": "vouched.issuer", "code": "unknown_issuer", "detail": "Not an issuer we trust."}]
        raise Problem(422, "invalid-request", "Nobody is trusted to vouch for it.", errors=errors)
    kept = {"iss": body.vouched.issuer, "client_id": body.vouched.client_id}
    return kid_of(kept), kept


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


async def registered(agency: str, tx: Tx) -> Any:
    """The partner's row in the registry; 404 if there is none."""
    row = await registry.partner(tx.db, agency)
    if row is None:
        raise Problem(404, "not-found", "There is no such partner.")
    return row


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


async def federation_of(parts: ServiceParts) -> Federation:
    """The issuers that may vouch for partners."""
    return cast(Federation, parts.own["federation"])


async def settings_of(parts: ServiceParts) -> Settings:
    """Exchange's own settings."""
    return cast(Settings, parts.settings)


TheJudge = Annotated[Judge, Depends(judge_of)]
TheFederation = Annotated[Federation, Depends(federation_of)]
TheIssuer = Annotated[Issuer, Depends(issuer_of)]
TheBell = Annotated[Bell, Depends(bell_of)]
TheStreams = Annotated[asyncio.Semaphore, Depends(streams_of)]
TheSettings = Annotated[Settings, Depends(settings_of)]
