"""Receipts: a code for people, and a signed statement that proves what was accepted."""

import hmac
import unicodedata
from datetime import datetime
from uuid import UUID

from joserfc.jwk import OKPKey

from homeward.common import jose
from homeward.common.keys import expand

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread
_LENGTH = 20
_DOUBLED = [2 * value // 32 + 2 * value % 32 for value in range(32)]


def receipt_code(lookup_key: bytes, report_id: UUID) -> str:
    """The receipt of a report: 100 bits and a check character, in groups; the same each time."""
    digest = expand(lookup_key, f"receipt|{report_id}")
    number = int.from_bytes(digest[:13], "big") >> 4
    body = "".join([_ALPHABET[(number >> (5 * i)) & 31] for i in range(_LENGTH)])
    code = body + _check(body)
    return "-".join((code[:7], code[7:14], code[14:]))


def normalised(code: str) -> str | None:
    """The code as it was given out, however it was typed; None if it cannot be one."""
    letters = (c for c in unicodedata.normalize("NFKC", code).upper() if not _parts(c))
    typed = "".join(letters).translate(str.maketrans("ILO", "110"))
    if len(typed) != _LENGTH + 1 or any(c not in _ALPHABET for c in typed):
        return None
    return typed if _check(typed[:-1]) == typed[-1] else None


def _parts(character: str) -> bool:
    """Whether it only sets groups apart: space, hyphen, dash."""
    return character.isspace() or unicodedata.category(character) in {"Pd", "Cf"}


def receipt_hash(lookup_key: bytes, code: str) -> bytes:
    """What is stored to find a receipt by; ``code`` without what sets its groups apart."""
    return hmac.digest(lookup_key, f"receipt hash|{code}".encode(), "sha256")


def signed_receipt(key: OKPKey, issuer: str, report_id: UUID, event_id: UUID, received_at: datetime) -> str:
    """A JWS by which a submitter can prove that the event was accepted, and so that it is missing."""
    return jose.sign(
        {
            "iss": issuer,
            "sub": str(report_id),
            "event_id": str(event_id),
            "iat": int(received_at.timestamp()),
        },
        key,
    )


def _check(body: str) -> str:
    """Luhn mod 32: catches any one wrong character and nearly every swap of neighbours."""
    values = [_ALPHABET.index(character) for character in reversed(body)]
    total = sum(_DOUBLED[value] for value in values[::2]) + sum(values[1::2])
    return _ALPHABET[-total % 32]


def fingerprint(lookup_key: bytes, content: bytes) -> bytes:
    """A keyed hash of what was said; a plain one could be guessed after an erasure."""
    return hmac.digest(expand(lookup_key, "row"), content, "sha256")
