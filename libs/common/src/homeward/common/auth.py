"""Who is asking: access tokens of the platform's issuer (RFC 9068's claims), checked by every service."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import httpx
from fastapi import Depends, Request
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from . import jose
from .problems import Problem


@dataclass(frozen=True)
class Actor:
    """An authenticated client. What a partner may see is never read from here, only who it is."""

    client_id: str
    organisation: str
    role: str
    scopes: frozenset[str]

    @property
    def name(self) -> str:
        """How events name the actor."""
        return f"client:{self.client_id}"


class TokenVerifier(Protocol):
    """Turns a bearer token into an actor."""

    async def verify(self, token: str) -> Actor:
        """Raises jose.TokenRefused."""
        ...


JwksSource = Callable[[], Awaitable[dict[str, Any]]]


def jwks_over_http(url: str) -> JwksSource:
    """Fetch the issuer's keys from ``url``."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            response = await client.get(url)
            response.raise_for_status()
            keys: dict[str, Any] = response.json()
            return keys

    return fetch


class IssuerUnreachable(Exception):
    """The issuer's keys could not be fetched; tokens of keys not seen yet cannot be judged meanwhile."""


class IssuerVerifier:
    """Verifies tokens by the issuer's published keys; fetches them again for an unknown key, at most
    every ten seconds, so that forged tokens cannot make it hammer the issuer."""

    def __init__(self, issuer: str, source: JwksSource, *, now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._source = source
        self._now = now
        self._keys = KeySet([])
        self._fetched = float("-inf")
        self._failed = float("-inf")

    async def verify(self, token: str) -> Actor:
        """As :meth:`TokenVerifier.verify`; IssuerUnreachable."""
        try:
            claims = self._claims(token)
        except jose.TokenRefused:
            if self._now() - self._fetched < 10:
                raise
            await self._fetch()
            claims = self._claims(token)
        try:
            return Actor(
                client_id=claims["client_id"],
                organisation=claims["org"],
                role=claims["role"],
                scopes=frozenset(claims["scope"].split()),
            )
        except (KeyError, AttributeError):
            raise jose.TokenRefused("missing_claim") from None

    async def _fetch(self) -> None:
        if self._now() - self._failed < 1:
            raise IssuerUnreachable
        try:
            keys = KeySet.import_key_set(await self._source())  # type: ignore[arg-type]
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._failed = self._now()
            raise IssuerUnreachable(type(error).__name__) from None
        self._keys, self._fetched = keys, self._now()

    def _claims(self, token: str) -> dict[str, Any]:
        return jose.verify(
            token, self._keys, now=int(self._now()), audience=self._issuer, issuer=self._issuer
        )


async def authenticated(request: Request) -> Actor:
    """The actor of a request; 401 without a good token, 503 when the issuer cannot be reached."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "token-missing", "This request needs an access token.", authenticate="Bearer")
    verifier: TokenVerifier = request.app.state.parts.verifier
    try:
        return await verifier.verify(token)
    except jose.TokenRefused as error:
        challenge = f'Bearer error="invalid_token", error_description="{error}"'
        raise Problem(
            401, "token-refused", f"The access token was refused: {error}.", authenticate=challenge
        ) from None
    except IssuerUnreachable:
        raise Problem(
            503, "issuer-unreachable", "Tokens cannot be checked at the moment.", retry_after=5
        ) from None


def require(scope: str) -> Any:
    """A dependency: the actor, if its token carries ``scope``; else 403."""

    async def allowed(actor: Annotated[Actor, Depends(authenticated)]) -> Actor:
        if scope not in actor.scopes:
            raise Problem(403, "scope-missing", f"This needs the scope {scope}.")
        return actor

    return Depends(allowed)
