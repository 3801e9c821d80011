"""Access tokens of the platform's issuer (RFC 9068's claims), and what the issuer publishes about them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from joserfc.jwk import KeySet

from . import jose

FRESH_SECONDS = 2.0
"""How old what the issuer published may be before it is asked for again, beside the requests."""
OLD_SECONDS = 5.0
"""How old it may be while the issuer answers: a key can have been revoked since."""
STALE_SECONDS = 30.0
"""How old it may be while the issuer does not answer."""


@dataclass(frozen=True)
class Binding:
    """The key without which a token is worth nothing (its thumbprint), and the nonces that its proofs may
    carry, the one to give first."""

    jkt: str
    nonces: tuple[str, ...]


@dataclass(frozen=True)
class Actor:
    """An authenticated client. What a partner may see is never read from here, only who it is."""

    client_id: str
    organisation: str
    role: str
    scopes: frozenset[str]
    binding: Binding | None = None
    key: str | None = None
    """The key by which the client got its token (its thumbprint)."""
    expires: float | None = None
    """When the token ends (Unix seconds): what goes on for longer than a request ends then."""

    @property
    def name(self) -> str:
        """How events name the actor."""
        return f"client:{self.client_id}"


class TokenVerifier(Protocol):
    """Turns an access token into an actor."""

    async def verify(self, token: str) -> Actor:
        """Raises jose.TokenRefused, Suspended, IssuerUnreachable. A bound token is good only with a proof,
        which the caller checks."""
        ...


IssuerSource = Callable[[], Awaitable[dict[str, Any]]]
"""What the issuer publishes: a JWK set (RFC 7517) with these further members: ``revoked`` and ``suspended``,
the keys (by thumbprint) whose clients' tokens are refused, and ``nonces``."""


def jwks_over_http(url: str) -> IssuerSource:
    """Fetch it from ``url``."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            response = await client.get(url)
            response.raise_for_status()
            keys: dict[str, Any] = response.json()
            return keys

    return fetch


class IssuerUnreachable(Exception):
    """What the issuer publishes could not be fetched; tokens cannot be judged meanwhile."""


class Suspended(Exception):
    """The token's organisation is suspended."""


@dataclass(frozen=True)
class Published:
    """What the issuer published."""

    listed: tuple[dict[str, Any], ...] = ()
    keys: KeySet = field(default_factory=lambda: KeySet([]))
    revoked: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()
    nonces: tuple[str, ...] = ()

    def then(self, document: dict[str, Any]) -> "Published":
        """What is published now. Keys that are as they were are not read again. Raises what reading
        something else than a JWK set raises."""
        listed = tuple(document["keys"])
        return Published(
            listed,
            self.keys if listed == self.listed else KeySet.import_key_set({"keys": list(listed)}),
            frozenset(document.get("revoked", ())),
            frozenset(document.get("suspended", ())),
            tuple(document.get("nonces", ())),
        )


class IssuerVerifier:
    """Verifies tokens by what the issuer publishes, which is asked for again every two seconds, beside
    the requests; who comes after a longer quiet waits for it. Where it is older than half a minute nobody
    is let in."""

    def __init__(
        self,
        issuer: str,
        source: IssuerSource,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._source = source
        self._now = now
        self._last = Published()
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._fetching: asyncio.Task[Published] | None = None

    async def verify(self, token: str) -> Actor:
        """As :meth:`TokenVerifier.verify`."""
        published = await self._current()
        try:
            claims = self._claims(token, published)
        except jose.TokenRefused:
            if self._now() - self._fetched < FRESH_SECONDS:  # forged tokens shall not hammer the issuer
                raise
            published = await self._fetch()
            claims = self._claims(token, published)
        if claims.get("key") in published.revoked:
            raise jose.TokenRefused("revoked_key")
        if claims.get("key") in published.suspended:
            raise Suspended
        return _actor(claims, published)

    async def _current(self) -> Published:
        age = self._now() - self._fetched
        if age > OLD_SECONDS:
            try:
                return await self._fetch()
            except IssuerUnreachable:
                if age > STALE_SECONDS:
                    raise
                return self._last
        if age >= FRESH_SECONDS and self._now() - self._failed >= 1:
            self._begin()  # and nobody waits for it
        return self._last

    async def _fetch(self) -> Published:
        if self._now() - self._failed < 1:
            raise IssuerUnreachable
        return await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[Published]":
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._ask())
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._fetching

    async def _ask(self) -> Published:
        try:
            published = self._last.then(await self._source())
        except Exception as error:
            self._failed = self._now()
            raise IssuerUnreachable(type(error).__name__) from None
        self._last, self._fetched = published, self._now()
        return published

    def _claims(self, token: str, published: Published) -> dict[str, Any]:
        return jose.verify(
            token, published.keys, now=int(self._now()), audience=self._issuer, issuer=self._issuer
        )


def _actor(claims: dict[str, Any], published: Published) -> Actor:
    try:
        return Actor(
            client_id=claims["client_id"],
            organisation=claims["org"],
            role=claims["role"],
            scopes=frozenset(claims["scope"].split()),
            binding=Binding(claims["cnf"]["jkt"], published.nonces) if "cnf" in claims else None,
            key=claims.get("key"),
            expires=claims["exp"],
        )
    except (KeyError, AttributeError, TypeError):
        raise jose.TokenRefused("missing_claim") from None
