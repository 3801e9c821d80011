"""Proof of possession (RFC 9449): a request by a token bound to a key comes with a proof, signed by that
key, that names the request and a nonce of ours. Checking one is pure; that each is good once is
:mod:`.arrivals`' part.

Whether a proof is fresh is told by its nonce alone, so the client's clock may be wrong by any amount.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from . import jose

ALGORITHMS = (*jose.ALGORITHMS, "ES256")
WITHOUT_NONCE = 300
"""Seconds by which a proof's time may differ from ours where the issuer gives no nonces."""
SHARE = 150
"""Seconds for which one nonce is given; it is taken for as long again."""
AHEAD = 30
"""Seconds by which the clocks of replicas may differ."""
KEPT = 2 * SHARE + 2 * WITHOUT_NONCE
"""Seconds after which no proof that was used once could be taken again."""
_LONGEST = 4_096
_PORTS = {"http": 80, "https": 443}


class ProofRefused(Exception):
    """This is no proof for this request; the message says why in a few words, never what was sent."""


class NonceWanted(ProofRefused):
    """The proof is good but for its nonce, which is missing or no longer taken."""


@dataclass(frozen=True)
class Asked:
    """What a proof must be for: the method, the address as the client sees it, and the access token."""

    method: str
    url: str
    token: str | None = None


@dataclass(frozen=True)
class Proof:
    """A proof that holds, made by the key of the thumbprint ``jkt`` (RFC 7638)."""

    jkt: str
    jti: str
    nonce: str | None

    @property
    def id(self) -> bytes:
        """What no other proof has: the jti is anybody's text, so it is kept as a hash."""
        return hashlib.sha256(f"{self.jkt} {self.jti}".encode(errors="surrogatepass")).digest()


def read_proof(sent: Sequence[str], asked: Asked, *, nonces: Sequence[str], now: float) -> Proof:
    """The one proof among the ``DPoP`` headers ``sent``, checked as RFC 9449 §4.3 says, but for whether it
    was used before. ``nonces`` are those that are taken; none means that the time (Unix seconds) counts
    instead. ProofRefused, NonceWanted."""
    if len(sent) != 1 or len(sent[0]) > _LONGEST:
        raise ProofRefused("one proof is needed" if not sent else "too many or too long")
    jkt, claims = _signed(sent[0])
    jti, nonce, at = claims.get("jti"), claims.get("nonce"), claims.get("iat")
    if not isinstance(jti, str) or not jti or not isinstance(at, int | float):
        raise ProofRefused("jti and iat are needed")
    if claims.get("htm") != asked.method or not _same(claims.get("htu"), asked.url):
        raise ProofRefused("made for another request")
    if asked.token is not None and claims.get("ath") != hash_of(asked.token):
        raise ProofRefused("made for another token")
    if nonces and nonce not in nonces:
        raise NonceWanted("the nonce is missing or too old")
    if not nonces and not abs(now - at) <= WITHOUT_NONCE:
        raise ProofRefused("made at another time")
    return Proof(jkt, jti, nonce if isinstance(nonce, str) else None)


def hash_of(token: str) -> str:
    """What a proof says of the token it comes with (``ath``)."""
    return _text(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest())


def nonces_at(secret: bytes, now: float) -> tuple[str, ...]:
    """The nonces taken at ``now``: the one to give, that of before, and for the last half minute the next,
    which a replica whose clock goes ahead gives already. They are kept nowhere: all who know ``secret``
    know them."""
    share = int(now // SHARE)
    shares = dict.fromkeys((share, share - 1, int((now + AHEAD) // SHARE)))
    return tuple(_text(hmac.digest(secret, b"%d" % n, "sha256")[:16]) for n in shares)


def _signed(text: str) -> tuple[str, dict[str, Any]]:
    """The thumbprint of the key in the header, and the claims that it signed."""
    try:
        found = jws.extract_compact(text.encode())
        header, claims = found.headers(), json.loads(found.payload)
        alg, jwk = header.get("alg"), header.get("jwk")
        if header.get("typ") != "dpop+jwt" or alg not in ALGORITHMS or not isinstance(jwk, dict):
            raise ProofRefused("its header is not a proof's")
        key = _public(jwk, alg)
        if not isinstance(claims, dict) or not jws.validate_compact(found, key, algorithms=[alg]):
            raise ProofRefused("the signature does not hold")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ProofRefused("it cannot be read") from None
    return key.thumbprint(), claims


def _public(jwk: dict[str, Any], alg: str) -> OKPKey | ECKey:
    wanted, kind = (("P-256", ECKey), ("x", "y")) if alg == "ES256" else (("Ed25519", OKPKey), ("x",))
    curve, key_type = wanted
    if "d" in jwk or jwk.get("crv") != curve:
        raise ProofRefused("its key cannot be used")
    imported: OKPKey | ECKey = key_type.import_key({name: jwk[name] for name in ("kty", "crv", *kind)})
    return imported


def _same(htu: Any, url: str) -> bool:
    """Whether two addresses are the same but for query and fragment (RFC 9449 §4.3, RFC 3986 §6.2)."""
    try:
        return isinstance(htu, str) and _plain(urlsplit(htu)) == _plain(urlsplit(url))
    except ValueError:
        return False


def _plain(url: SplitResult) -> tuple[str, str | None, int | None, str]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme), unquote(url.path) or "/"


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
