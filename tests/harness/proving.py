"""Proofs of possession as a client makes them, and as it should not."""

import hashlib
import json
import uuid
from base64 import urlsafe_b64encode
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey


def prove(
    key: OKPKey | ECKey,
    method: str,
    url: str,
    *,
    token: str | None = None,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A proof as it should be, but for ``header`` and ``claims``; None leaves one out."""
    alg = "ES256" if isinstance(key, ECKey) else "Ed25519"
    right = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": 1_736_242_200}
    if token is not None:
        right["ath"] = urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    whole = {"typ": "dpop+jwt", "alg": alg, "jwk": key.as_dict(private=False), **(header or {})}
    payload = json.dumps(_without_none({**right, **claims}))
    return jws.serialize_compact(_without_none(whole), payload, key, algorithms=[whole["alg"]])


def _without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}
