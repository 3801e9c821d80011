"""The embedded token issuer: OAuth 2 client credentials with ``private_key_jwt`` (RFC 6749, RFC 7523)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from homeward.common import jose
from homeward.common.ids import new_id
from homeward.common.tx import Tx

from .domain import ROLE_SCOPES
from .store import partners as registry

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_ASSERTION_SECONDS = 300


class TokenDenied(Exception):
    """(error code of RFC 6749 §5.2, HTTP status, description)."""


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

    async def grant(self, assertion: str, scope: str | None, tx: Tx) -> dict[str, Any]:
        """The token answer for a client that proves itself; TokenDenied otherwise."""
        client = await self._authenticate(assertion, tx)
        allowed = ROLE_SCOPES[client.role]
        wanted = frozenset(scope.split()) if scope else allowed
        if not wanted <= allowed:
            raise TokenDenied("invalid_scope", 400, "A scope asked for is not this client's.")
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
        refused = TokenDenied("invalid_client", 401, "The client assertion was refused.")
        client = await registry.client(tx.db, _claimed_client(assertion) or "")
        if client is None:
            raise refused
        try:
            keys = KeySet([OKPKey.import_key(client.jwk)])
            claims = _verified(assertion, keys, {self.url, f"{self.url}/oauth/token"}, tx.now)
        except (jose.TokenRefused, JoseError):
            raise refused from None
        expires = datetime.fromtimestamp(int(claims["exp"]), UTC)
        lifetime_ok = expires <= tx.now + timedelta(seconds=MAX_ASSERTION_SECONDS + jose.LEEWAY)
        if claims.get("iss") != client.client_id or not claims.get("jti") or not lifetime_ok:
            raise refused
        jti = f"{client.client_id} {claims['jti']}"[:500]
        if not await registry.use_assertion(tx.db, jti, expires + timedelta(seconds=60), tx.now):
            raise TokenDenied("invalid_client", 401, "The client assertion was used before.")
        if client.suspended:
            raise TokenDenied("unauthorized_client", 403, "This partner is suspended.")
        return client


def _claimed_client(assertion: str) -> str | None:
    """Whom an assertion claims to be from; nothing is believed of it yet."""
    claims = jose.unverified_claims(assertion)
    client_id = claims.get("sub")
    return client_id if isinstance(client_id, str) else None


def _verified(assertion: str, keys: KeySet, audiences: set[str], now: datetime) -> dict[str, Any]:
    """The claims, if they are for one of ``audiences`` (RFC 7523 §3: issuer or token endpoint)."""
    refusal: jose.TokenRefused | None = None
    for audience in sorted(audiences):
        try:
            return jose.verify(assertion, keys, now=int(now.timestamp()), audience=audience)
        except jose.TokenRefused as error:
            refusal = error
    assert refusal is not None
    raise refusal
