"""Proofs of possession (RFC 9449): what makes a token worth nothing to whoever only reads it."""

import hashlib
import time
import uuid
from base64 import urlsafe_b64encode

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey


class Prover:
    """Makes proofs by a key of its own, and remembers the nonce that the platform wants in them. That is
    all that tells how fresh a proof is, so this machine's clock may be wrong."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._key = OKPKey.generate_key("Ed25519", private=True)
        self._header = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": self._key.as_dict(private=False)}
        self._nonce: str | None = None

    def proof(self, method: str, path: str, token: str | None = None) -> str:
        """The ``DPoP`` header of one request to ``path`` (its query does not matter) with ``token``."""
        claims = {
            "jti": str(uuid.uuid4()),
            "htm": method,
            "htu": self._base_url + path.partition("?")[0].partition("#")[0],
            "iat": int(time.time()),
        }
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode()
        return jwt.encode(self._header, claims, self._key, algorithms=["Ed25519"])

    def heard(self, response: httpx.Response) -> bool:
        """Remember the nonce that an answer brings; whether the request is to be sent again with it, since
        nothing was done."""
        brought = response.headers.get("dpop-nonce")
        if brought is None:
            return False
        self._nonce = brought
        if response.status_code not in {400, 401}:
            return False
        return "use_dpop_nonce" in response.headers.get("www-authenticate", "") + response.text
