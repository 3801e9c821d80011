"""A partner puts a new key in the place of its own, with proof of both."""

import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey

from .credentials import Credentials, create
from .session import Refused, Session

PATH = "/v1/own/keys"


def rotate(session: Session, file: Path) -> list[dict[str, Any]]:
    """Make a key, register it, and put it into the credentials ``file`` of ``session``; the partner's keys
    as they are then. The former key stays good for a while. CredentialsUnusable, Refused, Unreachable.

    The new key is on disk, beside ``file``, before the platform hears of it. Whatever ends this, the same
    again goes on from there.
    """
    beside = file.with_name(f"{file.name}.next")
    begun = beside.exists()
    if not begun:
        create(beside, session.credentials.base_url, session.credentials.client_id)
    new = Credentials.read(beside)
    keys = _known(new) if begun else None
    if keys is None:
        try:
            keys = _register(session, new.key)
        except Refused:
            beside.unlink()
            raise
    beside.replace(file)
    return keys


def _known(new: Credentials) -> list[dict[str, Any]] | None:
    """The partner's keys, if ``new`` is one of them: only the answer was lost."""
    try:
        with Session(new) as session:
            keys: list[dict[str, Any]] = session.get(PATH)["keys"]
            return keys
    except Refused:
        return None


def _register(session: Session, new: OKPKey) -> list[dict[str, Any]]:
    known = session.credentials
    claims = {
        "iss": known.client_id,
        "aud": known.base_url + PATH,
        "iat": int(time.time()),
        "exp": int(time.time()) + 120,
        "new_kid": new.thumbprint(),
    }
    by_old, by_new = (
        jwt.encode({"alg": "Ed25519"}, claims, key, algorithms=["Ed25519"]) for key in (known.key, new)
    )
    body = {"public_jwk": new.as_dict(private=False), "by_old": by_old, "by_new": by_new}
    keys: list[dict[str, Any]] = session.post(PATH, body)["keys"]
    return keys
