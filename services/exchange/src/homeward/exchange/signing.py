"""Standard Webhooks 1.0.0 (standardwebhooks.com): how a partner knows that a message is ours, and fresh."""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from homeward.common.keys import expand

PREFIX = "whsec_"


def secret_of(lookup_key: bytes, agency: str, secret_id: UUID) -> bytes:
    """The 32 bytes of a secret: derived, so that no database holds it."""
    return expand(lookup_key, f"webhook|{agency}|{secret_id}")


def as_text(secret: bytes) -> str:
    """As a partner keeps it."""
    return PREFIX + b64encode(secret).decode()


def headers(secrets: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """What goes with a message; signed by each of the ``secrets``, while one takes another's place."""
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "content-type": "application/json",
        "user-agent": "Homeward-Webhooks/1",
    }
