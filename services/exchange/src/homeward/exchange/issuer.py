"""The embedded token issuer: OAuth 2 client credentials with ``private_key_jwt`` (RFC 6749, RFC 7523)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from homeward.common import jose
from homeward.common.contracts import ReadDenied
from homeward.common.ids import new_id
from homeward.common.tx import Tx

from .domain import ROLE_SCOPES
from .store import partners as registry

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_ASSERTION_SECONDS = 300


@dataclass(frozen=True)
class Denied:
    """Why there is no token (RFC 6749 §5.2). An answer, not an exception: what led to it is kept."""

    error: str
    status: int
    description: str


_REFUSED = Denied("invalid_client", 401, "The client assertion was refused.")
_REPLAYED = Denied("invalid_client", 401, "The client assertion was used before.")
_SUSPENDED = Denied("unauthorized_client", 400, "This partner is suspended.")
_SCOPE = Denied("invalid_scope", 400, "A scope asked for is not this client's.")


@dataclass(frozen=True)
class Issuer:
    """Signs access tokens."""

    url: str
    key: OKPKey
    token_seconds: int = 300

    def metadata(self) -> dict[str, Any]:
        """RFC 8414."""
        return {
            "issuer": self.url,
            "token_endpoint": f"{self.url}/oauth/token",
            "jwks_uri": f"{self.url}/oauth/jwks",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["Ed25519", "EdDSA"],
        }

    def jwks(self) -> dict[str, Any]:
        """The keys that verify access tokens."""
        return {"keys": [jose.public_jwk(self.key)]}

    async def grant(self, assertion: str, scope: str | None, tx: Tx) -> dict[str, Any] | Denied:
        """The token answer for a client that proves itself. Its assertion is used up either way."""
        client = await self._authenticate(assertion, tx)
        if isinstance(client, Denied):
            return client
        allowed = ROLE_SCOPES[client.role]
        wanted = frozenset(scope.split()) if scope is not None and scope.split() else allowed
        if not wanted <= allowed:
            return _SCOPE
        now = int(tx.now.timestamp())
        claims = {
            "iss": self.url,
            "aud": self.url,
            "sub": client.client_id,
            "client_id": client.client_id,
            "org": client.organisation,
            "role": client.role,
            "scope": " ".join(sorted(wanted)),
            "iat": now,
            "exp": now + self.token_seconds,
            "jti": str(new_id()),
        }
        return {
            "access_token": jose.sign(claims, self.key),
            "token_type": "Bearer",
            "expires_in": self.token_seconds,
            "scope": claims["scope"],
        }

    async def _authenticate(self, assertion: str, tx: Tx) -> Any:
        client_id = _claimed_client(assertion)
        client = await registry.client(tx.db, client_id) if client_id else None
        if client is None:
            return _REFUSED
        claims = self._verified(assertion, client, int(tx.now.timestamp()))
        if claims is None:
            return _REFUSED
        # The jti is anybody's text: kept as a hash, it has a length and an alphabet.
        used = f"{client.client_id} {claims['jti']}".encode(errors="surrogatepass")
        jti = hashlib.sha256(used).hexdigest()
        kept_until = datetime.fromtimestamp(int(claims["exp"]) + 2 * jose.LEEWAY, UTC)
        if not await registry.use_assertion(tx.db, jti, kept_until, tx.now):
            return _REPLAYED
        if client.suspended:
            tx.emit(ReadDenied(agency=client.organisation, problem="partner-suspended"))
            return _SUSPENDED
        return client

    def _verified(self, assertion: str, client: Any, now: int) -> Mapping[str, Any] | None:
        """The claims of an assertion by ``client`` for us (RFC 7523 §3: issuer or token endpoint)."""
        for audience in (self.url, f"{self.url}/oauth/token"):
            try:
                key = OKPKey.import_key(client.jwk)
                claims = jose.verify(assertion, key, now=now, audience=audience, issuer=client.client_id)
            except (jose.TokenRefused, JoseError, ValueError, RecursionError):
                continue
            jti, lifetime = claims.get("jti"), claims["exp"] - now
            if isinstance(jti, str) and jti and lifetime <= MAX_ASSERTION_SECONDS + jose.LEEWAY:
                return claims
        return None


def _claimed_client(assertion: str) -> str | None:
    """Whom an assertion claims to be from; nothing is believed of it yet."""
    try:
        client_id = jose.unverified_claims(assertion).get("sub")
    except RecursionError:
        return None
    return client_id if isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id) else None


_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,200}")
