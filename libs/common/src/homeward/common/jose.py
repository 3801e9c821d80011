"""Ed25519 keys and signed tokens (RFC 7519, RFC 8037, RFC 9864), by joserfc."""

import json
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, OKPKey

from .secret_files import SecretUnusable, read_secret

# RFC 9864 names the algorithm Ed25519; clients in the field still say EdDSA, which we go on accepting.
warnings.filterwarnings("ignore", message="EdDSA", category=SecurityWarning)
ALGORITHMS = ["Ed25519", "EdDSA"]
LEEWAY = 30
"""Seconds of clock skew tolerated."""


class TokenRefused(Exception):
    """A token is expired, of another issuer or audience, or not signed by a known key."""


def new_key() -> OKPKey:
    """A fresh private key, its id being its thumbprint (RFC 7638)."""
    return with_kid(OKPKey.generate_key("Ed25519", private=True))


def with_kid(key: OKPKey) -> OKPKey:
    """The same key, named by its thumbprint."""
    return OKPKey.import_key({**key.as_dict(private=key.is_private), "kid": key.thumbprint()})


def key_of(jwk: Mapping[str, Any]) -> OKPKey:
    """A key from a JWK; JoseError or ValueError if it is none."""
    return with_kid(OKPKey.import_key(dict(jwk)))


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """A key's name (RFC 7638); JoseError or ValueError if it is no key."""
    return OKPKey.import_key(dict(jwk)).thumbprint()


def read_key(path: Path) -> OKPKey:
    """A private JWK from a file; SecretUnusable if it is none, or others may read it."""
    try:
        key = key_of(json.loads(read_secret(path)))
    except (JoseError, ValueError, TypeError, KeyError):
        key = None
    if key is None or not key.is_private:
        raise SecretUnusable(f"{path} must hold a private Ed25519 key (JWK)")
    return key


def public_jwk(key: OKPKey) -> dict[str, Any]:
    """The public half."""
    return {**key.as_dict(private=False), "use": "sig", "alg": "Ed25519"}


def sign(claims: Mapping[str, Any], key: OKPKey) -> str:
    """A compact JWT."""
    return jwt.encode({"alg": "Ed25519", "kid": key.kid}, dict(claims), key, algorithms=ALGORITHMS)


def verify(
    token: str,
    keys: KeySet | OKPKey,
    *,
    now: int,
    audience: str,
    issuer: str | None = None,
    leeway: int = LEEWAY,
    algorithms: Sequence[str] = ALGORITHMS,
) -> dict[str, Any]:
    """The claims of a token that holds at ``now`` (Unix seconds), give or take ``leeway``; TokenRefused
    says why not."""
    wanted: dict[str, Any] = {
        "aud": {"essential": True, "value": audience},
        "exp": {"essential": True},
    }
    if issuer is not None:
        wanted["iss"] = {"essential": True, "value": issuer}
    try:
        decoded = jwt.decode(token, keys, algorithms=list(algorithms))
        jwt.JWTClaimsRegistry(now=now, leeway=leeway, **wanted).validate(decoded.claims)
    except (JoseError, ValueError) as error:
        raise TokenRefused(getattr(error, "error", type(error).__name__)) from None
    return dict(decoded.claims)


def unverified_claims(token: str) -> dict[str, Any]:
    """What a token says before its signature is checked: only to find the key to check it with."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
