"""A partner's keys: what may be done with them, and that everybody hears of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from homeward.common.contracts import PartnerAccessChanged, PartnerKey
from homeward.common.problems import Problem
from homeward.common.tx import Tx

from .store import clients

Change = Literal["registered", "key-added", "key-replaced", "key-revoked", "dpop-changed"]


async def add_key(agency: str, kid: str, jwk: Mapping[str, Any], others_until: datetime, tx: Tx) -> None:
    """One more key of a partner, beside the one it has for a while yet; again changes nothing. Problem 409
    while there are two already, or for a key that was revoked."""
    known = {key.kid: key for key in await clients.keys(tx.db, agency)}
    if kid in known and clients.is_good(known[kid], tx.now):
        return
    _must_be_new(kid, known)
    if sum(clients.is_good(key, tx.now) for key in known.values()) > 1:
        detail = "Two keys are good at the moment: revoke one, or wait until the older one has ended."
        raise Problem(409, "rotation-under-way", detail)
    await clients.add_key(tx.db, agency, kid, jwk, tx.now, others_until=others_until)
    await tell(agency, "key-added", tx)


async def replace_keys(agency: str, kid: str, jwk: Mapping[str, Any], tx: Tx) -> None:
    """One key in place of all a partner had, whose tokens are refused from now on. Problem 409 for a key
    that was revoked."""
    known = {key.kid: key for key in await clients.keys(tx.db, agency)}
    if kid not in known or not clients.is_good(known[kid], tx.now):
        _must_be_new(kid, known)
    await clients.put_key(tx.db, agency, kid, jwk, tx.now)
    await tell(agency, "key-replaced", tx)


async def revoke_key(agency: str, kid: str, tx: Tx) -> None:
    """Refuse a key and all tokens got by it; again changes nothing. Problem 404 if the partner never had
    it."""
    if await clients.revoke_key(tx.db, agency, kid, tx.now):
        await tell(agency, "key-revoked", tx)
    elif kid not in {key.kid for key in await clients.keys(tx.db, agency)}:
        raise Problem(404, "not-found", "There is no such key.")


async def revoke_all(agency: str, tx: Tx) -> None:
    """Refuse all keys of a partner and every token got by them."""
    if await clients.revoke_keys(tx.db, agency, tx.now):
        await tell(agency, "key-revoked", tx)


async def tell(agency: str, change: Change, tx: Tx) -> None:
    """Say how the partner may ask for tokens from now on."""
    client = await clients.client(tx.db, agency)
    keys = tuple(
        PartnerKey(jwk=key.jwk, since=key.since, until=key.until, revoked_at=key.revoked_at)
        for key in await clients.keys(tx.db, agency)
    )
    dpop = client.dpop if client else "required"
    tx.emit(PartnerAccessChanged(agency=agency, change=change, dpop=dpop, keys=keys))


async def must_be_free(kid: str, credential: Mapping[str, Any], agency: str, tx: Tx) -> None:
    """Whoever another issuer vouches for is one partner: Problem 409 if it is another. A key may be of
    several: each says in its assertion who it is."""
    holder = await clients.holder_of(tx.db, kid, tx.now) if "iss" in credential else None
    if holder not in {None, agency}:
        raise Problem(409, "vouched-for-another", "This client of that issuer is another partner already.")


def _must_be_new(kid: str, known: Mapping[str, Any]) -> None:
    if kid in known:
        detail = "This key was revoked or has ended, and is not taken again. Make a new one."
        raise Problem(409, "key-revoked", detail)
