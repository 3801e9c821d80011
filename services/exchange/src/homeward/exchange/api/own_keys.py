"""A partner's own keys: it changes them itself, with proof of the old one."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from homeward.common.auth import Actor, require
from homeward.common.http import ServiceParts
from homeward.common.openapi import refusals
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from .. import access
from ..issuer import claims_by
from ..reading import suspended
from ..store import clients
from ..store import partners as registry
from .own import Body, Keys, Kid, TheSettings, keys_of, public_key

router = APIRouter(prefix="/v1/own/keys", tags=["own keys"])
PATH = "/v1/own/keys"
Jwt = Annotated[str, Field(min_length=1, max_length=4_000)]


class NextKey(Body):
    """A new public key (JWK, Ed25519), and two JWTs that claim the same, one signed by a key that is good
    now, one by the new one: ``iss`` the client id, ``aud`` the address of this route, ``exp`` at most
    five minutes ahead, ``new_kid`` the new key's thumbprint (RFC 7638)."""

    public_jwk: dict[str, Any]
    by_old: Jwt
    by_new: Jwt


async def _partner(parts: ServiceParts, actor: Annotated[Actor, require("keys:write")]) -> Actor:
    """The partner who asks; 403 while it is suspended."""
    async with parts.engine.connect() as db:
        found = await registry.partner(db, actor.organisation)
    if found is None or found.suspended:
        raise suspended()
    return actor


Partner = Annotated[Actor, Depends(_partner)]


@router.get("")
async def own_keys(parts: ServiceParts, actor: Partner) -> Keys:
    """The partner's keys, the newest first, those that have ended included."""
    async with parts.engine.connect() as db:
        return Keys(keys=keys_of(await clients.keys(db, actor.client_id)))


@router.post("", status_code=201, responses=refusals(409))
async def add_key(body: NextKey, parts: ServiceParts, actor: Partner, settings: TheSettings) -> Keys:
    """Put a new key in place of the old one, which stays good for an overlap. The same request again
    changes nothing."""
    kid, jwk = public_key(body.public_jwk)
    async with parts.transaction(actor.name) as tx:
        await clients.client(tx.db, actor.client_id, lock=True)
        await _proven(body, kid, jwk, actor, parts, tx)
        until = tx.now + timedelta(seconds=settings.key_overlap_seconds)
        await access.add_key(actor.client_id, kid, jwk, until, tx)
        return Keys(keys=keys_of(await clients.keys(tx.db, actor.client_id)))


@router.post("/{kid}/revoke", responses=refusals(409))
async def revoke_key(kid: Kid, parts: ServiceParts, actor: Partner) -> Keys:
    """Have a key, and every token that was got by it, be refused from now on, by exchange at once and
    everywhere within seconds."""
    async with parts.transaction(actor.name) as tx:
        await clients.client(tx.db, actor.client_id, lock=True)
        await access.revoke_key(actor.client_id, kid, tx)
        return Keys(keys=keys_of(await clients.keys(tx.db, actor.client_id)))


async def _proven(body: NextKey, kid: str, jwk: dict[str, Any], actor: Actor, parts: Parts, tx: Tx) -> None:
    """422 unless both keys say so."""
    now, audience = int(tx.now.timestamp()), f"{parts.settings.public_url}{PATH}"

    def says(key: Any, text: str) -> bool:
        claims = claims_by(key, text, actor.client_id, audience, now)
        return claims is not None and claims.get("new_kid") == kid

    good = await clients.good_keys(tx.db, actor.client_id, tx.now)
    wrong = [] if any(says(key.jwk, body.by_old) for key in good) else ["by_old"]
    wrong += [] if says(jwk, body.by_new) else ["by_new"]
    if wrong:
        errors = [
            {"field": field, "code": "not_proven", "detail": "Not signed by this key, or for something else."}
            for field in wrong
        ]
        raise Problem(422, "invalid-request", "The change of keys is not proven; see errors.", errors=errors)
