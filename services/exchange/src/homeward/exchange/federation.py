"""Partners whose own issuer vouches for them: its token takes the place of a client assertion (RFC 7521 §4.2,
an assertion by a security token service). What it gets is a token of ours like any other, so nobody else
needs to know the other issuer, and suspension, revocation and proofs of possession hold as for everybody.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from joserfc.jwk import KeySet

from homeward.common import jose
from homeward.common.tokens import IssuerSource, IssuerUnreachable, jwks_over_http

ALGORITHMS = ("RS256", "PS256", "ES256", *jose.ALGORITHMS)
AGAIN_SECONDS = 10.0
"""How soon an issuer's keys are asked for again, for the sake of a key that is not among them."""
OLD_SECONDS = 300.0


def kid_of(credential: Mapping[str, Any]) -> str:
    """What names a client's credential: a public key's thumbprint (RFC 7638), or the like of whom another
    issuer vouches for: ``{"iss": issuer, "client_id": the client's id there}``."""
    if "iss" not in credential:
        return jose.thumbprint(dict(credential))
    named = json.dumps([credential["iss"], credential["client_id"]]).encode()
    return urlsafe_b64encode(sha256(named).digest()).decode().rstrip("=")


class Federation:
    """The issuers that the operator trusts to vouch for partners, by their ``iss``."""

    def __init__(
        self,
        issuers: Mapping[str, str],
        *,
        source: Callable[[str], IssuerSource] = jwks_over_http,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = {issuer: source(url) for issuer, url in issuers.items()}
        self._now = now
        self._keys: dict[str, tuple[float, KeySet]] = {}

    @classmethod
    def read(cls, path: Path | None) -> "Federation":
        """From a file: JSON of ``{issuer: the URL of its JWK set}``. OSError, ValueError, TypeError."""
        issuers = json.loads(path.read_text()) if path else {}
        if not isinstance(issuers, dict) or not all(isinstance(url, str) for url in issuers.values()):
            raise TypeError("issuers file: not an object of texts")
        return cls(issuers)

    def trusts(self, issuer: object) -> bool:
        """Whether the operator does."""
        return issuer in self._sources

    async def vouched(self, assertion: str, audiences: tuple[str, ...], now: int) -> Mapping[str, Any] | None:
        """The claims of a token by an issuer that is trusted, for one of ``audiences``; None if it is none.
        IssuerUnreachable while its keys cannot be had."""
        issuer = jose.unverified_claims(assertion).get("iss")
        if not isinstance(issuer, str) or not self.trusts(issuer):
            return None
        keys = await self._keys_of(issuer)
        claims = _verified(assertion, keys, issuer, audiences, now)
        if claims is None and (newer := await self._keys_of(issuer, again=True)) is not keys:
            claims = _verified(assertion, newer, issuer, audiences, now)
        return claims

    async def _keys_of(self, issuer: str, *, again: bool = False) -> KeySet:
        fetched, keys = self._keys.get(issuer, (float("-inf"), None))
        age = self._now() - fetched
        if keys is None or age > OLD_SECONDS or (again and age > AGAIN_SECONDS):
            try:
                keys = KeySet.import_key_set(await self._sources[issuer]())  # type: ignore[arg-type]
            except Exception as error:
                raise IssuerUnreachable(type(error).__name__) from None
            self._keys[issuer] = (self._now(), keys)
        return keys


def _verified(
    assertion: str, keys: KeySet, issuer: str, audiences: tuple[str, ...], now: int
) -> Mapping[str, Any] | None:
    for audience in audiences:
        with suppress(jose.TokenRefused):
            return jose.verify(
                assertion, keys, now=now, audience=audience, issuer=issuer, algorithms=ALGORITHMS
            )
    return None


def client_there(claims: Mapping[str, Any]) -> str | None:
    """The client that a token was given to: ``azp`` (OpenID Connect) or ``client_id`` (RFC 9068)."""
    name = claims.get("azp") or claims.get("client_id")
    return name if isinstance(name, str) else None
