"""What the platform posts to a partner: whether it is from it, and fresh (Standard Webhooks 1.0.0)."""

import hmac
import json
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence

from .course import Event

CLOCKS_APART = 300
"""Seconds by which a message may be old, or of the future."""


class Forged(Exception):
    """The message is not the platform's, or is not from now; the message says what is wrong."""


def verify(
    secrets: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: Callable[[], float] = time.time,
) -> Event:
    """The event that a message brings, after checking that one of the ``secrets`` (``whsec_…``) signed it
    within five minutes. ``headers`` by name, in whatever case; ``body`` byte for byte as it came. Forged.

    Answer with a 2xx once you have it; any other answer, and it comes again. Handle a ``webhook-id`` once.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = sent["webhook-id"], sent["webhook-timestamp"]
        signatures = sent["webhook-signature"].split()
    except KeyError as error:
        raise Forged(f"there is no header {error}") from None
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now() - int(timestamp)) > CLOCKS_APART:
        raise Forged("it is not from now")
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = [secrets] if isinstance(secrets, str) else secrets
    expected = [hmac.digest(b64decode(key.removeprefix("whsec_")), signed, "sha256") for key in keys]
    given = [_bytes(one.removeprefix("v1,")) for one in signatures if one.startswith("v1,")]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise Forged("no signature is by this secret")
    event: Event = json.loads(body)
    return event


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""
