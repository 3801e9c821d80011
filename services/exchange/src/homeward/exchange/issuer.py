"""The embedded token issuer: OAuth 2 client credentials with ``private_key_jwt`` (RFC 6749, RFC 7523), and
tokens bound to a key (RFC 9449)."""

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from sqlalchemy.ext.asyncio import AsyncEngine

from homeward.common import dpop, jose
from homeward.common.arrivals import use_within
from homeward.common.contracts import ReadDenied
from homeward.common.ids import new_id
from homeward.common.keys import expand
from homeward.common.tx import Tx

from .domain import ROLE_SCOPES
from .federation import client_there, kid_of
from .store import clients as registry

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_ASSERTION_SECONDS = 3600
"""For a token: what OAuth libraries give an assertion when nobody says how long. Each is good once."""
MAX_STATEMENT_SECONDS = 300
"""For anything else that a client says by its key."""
CLOCKS_APART = 300
"""Seconds by which a client's clock may differ from ours; each assertion is good once all the same."""


@dataclass(frozen=True)
class Denied:
    """Why there is no token (RFC 6749 §5.2). An answer, not an exception: what led to it is kept."""

    error: str
    status: int
    description: str


_REFUSED = Denied("invalid_client", 401, "The client assertion was refused.")
_REPLAYED = Denied("invalid_client", 401, "The client assertion was used before.")
_SUSPENDED = Denied("unauthorized_client", 400, "This partner is suspended.")
_UNPROVEN = Denied("invalid_dpop_proof", 400, "This client's tokens are bound to a key: send a DPoP proof.")
_NONCE = Denied("use_dpop_nonce", 400, "Make a proof with the nonce that came in DPoP-Nonce.")
_SCOPE = Denied("invalid_scope", 400, "A scope asked for is not this client's.")


@dataclass(frozen=True)
class Issuer:
    """Signs access tokens."""

    url: str
    keys: tuple[OKPKey, ...]
    """The first signs; the others are published as well, while the key is being changed."""
    token_seconds: int = 300

    @property
    def audiences(self) -> tuple[str, str]:
        """For whom an assertion may be (RFC 7523 §3)."""
        return self.url, f"{self.url}/oauth/token"

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
            "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        }

    async def published(self, engine: AsyncEngine, now: datetime) -> dict[str, Any]:
        """What whoever checks tokens needs, as :data:`.IssuerSource` says."""
        ended = now - timedelta(seconds=self.token_seconds + 2 * jose.LEEWAY)
        async with engine.connect() as db:
            revoked, suspended = await registry.refused_keys(db, ended)
        return self.standing(now.timestamp()) | {"revoked": revoked, "suspended": suspended}

    def standing(self, now: float) -> dict[str, Any]:
        """What is published whoever the clients are."""
        return {"keys": [jose.public_jwk(key) for key in self.keys], "nonces": list(self.nonces(now))}

    def nonces(self, now: float) -> tuple[str, ...]:
        """Those that proofs may carry, the one to give first; replicas that sign by another of the keys
        give others."""
        return tuple(nonce for secret in self._nonce_secrets for nonce in dpop.nonces_at(secret, now))

    @cached_property
    def _nonce_secrets(self) -> list[bytes]:
        """All replicas have the same; they are worth nothing to who does not hold a client's key."""
        private = [key.as_dict(private=True)["d"] for key in self.keys]
        return [expand(urlsafe_b64decode(f"{d}=="), "dpop nonce") for d in private]

    async def grant(
        self,
        assertion: str,
        scope: str | None,
        proofs: Sequence[str],
        tx: Tx,
        vouched: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | Denied:
        """The token answer for a client that proves itself, the token being bound to the key of its DPoP
        proof, if it sends one. Assertion and proof are used up either way. ``vouched`` are the claims of an
        assertion by another issuer (:class:`.Federation`)."""
        proof = self._proof(proofs, tx.now.timestamp())
        if isinstance(proof, Denied):
            return proof
        authenticated = await self._authenticate(assertion, vouched, tx)
        if isinstance(authenticated, Denied):
            return authenticated
        client, key = authenticated
        if proof is not None and not await use_within(tx.db, proof, tx.now):
            return Denied("invalid_dpop_proof", 400, "The DPoP proof was used before.")
        if proof is None and client.dpop == "required":
            return _UNPROVEN
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
            "key": key,
            **({"cnf": {"jkt": proof.jkt}} if proof else {}),
        }
        return {
            "access_token": jose.sign(claims, self.keys[0]),
            "token_type": "DPoP" if proof else "Bearer",
            "expires_in": self.token_seconds,
            "scope": claims["scope"],
        }

    def _proof(self, sent: Sequence[str], now: float) -> dpop.Proof | Denied | None:
        if not sent:
            return None
        try:
            asked = dpop.Asked("POST", f"{self.url}/oauth/token")
            return dpop.read_proof(sent, asked, nonces=self.nonces(now), now=now)
        except dpop.NonceWanted:
            return _NONCE
        except dpop.ProofRefused as error:
            return Denied("invalid_dpop_proof", 400, f"The DPoP proof was refused: {error}.")

    async def _authenticate(
        self, assertion: str, vouched: Mapping[str, Any] | None, tx: Tx
    ) -> tuple[Any, str] | Denied:
        """The client, and what names the credential by which it proved itself."""
        found = await (self._vouched_for(vouched, tx) if vouched else self._proven(assertion, tx))
        if found is None:
            return _REFUSED
        client, kid, claims = found
        # The jti is anybody's text: kept as a hash, it has a length and an alphabet.
        used = f"{client.client_id} {claims['jti']}".encode(errors="surrogatepass")
        jti = hashlib.sha256(used).hexdigest()
        kept_until = datetime.fromtimestamp(int(claims["exp"]) + 2 * CLOCKS_APART, UTC)
        if not await registry.use_assertion(tx.db, jti, kept_until, tx.now):
            return _REPLAYED
        if client.suspended:
            tx.emit(ReadDenied(agency=client.organisation, problem="partner-suspended"))
            return _SUSPENDED
        return client, kid

    async def _proven(self, assertion: str, tx: Tx) -> tuple[Any, str, Mapping[str, Any]] | None:
        client_id = _claimed_client(assertion)
        client = await registry.client(tx.db, client_id) if client_id else None
        if client is None:
            return None
        for key in await registry.good_keys(tx.db, client.client_id, tx.now):
            claims = self._verified(assertion, client.client_id, key.jwk, int(tx.now.timestamp()))
            if claims is not None:
                return client, key.kid, claims
        return None

    async def _vouched_for(
        self, claims: Mapping[str, Any], tx: Tx
    ) -> tuple[Any, str, Mapping[str, Any]] | None:
        kid = kid_of({"iss": claims["iss"], "client_id": client_there(claims)})
        client_id = await registry.holder_of(tx.db, kid, tx.now)
        client = await registry.client(tx.db, client_id) if client_id else None
        soon = claims["exp"] - tx.now.timestamp() <= MAX_ASSERTION_SECONDS + CLOCKS_APART
        told = isinstance(claims.get("jti"), str) and claims["jti"]
        return (client, kid, claims) if client is not None and soon and told else None

    def _verified(
        self, assertion: str, client_id: str, jwk: Mapping[str, Any], now: int
    ) -> Mapping[str, Any] | None:
        """The claims of an assertion by the client for us."""
        for audience in self.audiences:
            claims = claims_by(jwk, assertion, client_id, audience, now, MAX_ASSERTION_SECONDS)
            if claims is not None and isinstance(claims.get("jti"), str) and claims["jti"]:
                return claims
        return None


def claims_by(
    jwk: Mapping[str, Any],
    assertion: str,
    client_id: str,
    audience: str,
    now: int,
    longest: int = MAX_STATEMENT_SECONDS,
) -> Mapping[str, Any] | None:
    """What a client says, signed by a key of its own, for ``audience`` and for ``longest`` seconds at most;
    None if it does not say it so."""
    try:
        key = OKPKey.import_key(dict(jwk))
        claims = jose.verify(
            assertion, key, now=now, audience=audience, issuer=client_id, leeway=CLOCKS_APART
        )
    except (jose.TokenRefused, JoseError, ValueError, RecursionError):
        return None
    return claims if claims["exp"] - now <= longest + CLOCKS_APART else None


def _claimed_client(assertion: str) -> str | None:
    """Whom an assertion claims to be from; nothing is believed of it yet."""
    client_id = jose.unverified_claims(assertion).get("sub")
    return client_id if isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id) else None


_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,200}")
