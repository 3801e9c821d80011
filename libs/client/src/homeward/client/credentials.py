"""Credentials: who we are and where the platform is. A JSON file for its owner's eyes alone."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey


class CredentialsUnusable(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True)
class Credentials:
    """A client of one deployment."""

    base_url: str
    client_id: str
    key: OKPKey

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """From a file with ``base_url``, ``client_id`` and ``private_jwk``; CredentialsUnusable."""
        try:
            content = json.loads(path.read_text())
            base_url, client_id, jwk = content["base_url"], content["client_id"], content["private_jwk"]
            key = OKPKey.import_key(jwk)
        except OSError as error:
            raise CredentialsUnusable(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError, JoseError):
            raise CredentialsUnusable(
                f"{path} is no credentials file (base_url, client_id, private_jwk)"
            ) from None
        if not (key.is_private and key.curve_name == "Ed25519"):
            raise CredentialsUnusable(f"the key in {path} is no private Ed25519 key")
        if not isinstance(client_id, str) or not _is_web_address(base_url):
            raise CredentialsUnusable(f"{path} must name base_url (http…) and client_id")
        return cls(base_url.rstrip("/"), client_id, key)


def create(path: Path, base_url: str, client_id: str) -> dict[str, Any]:
    """Make a key pair, write its private half with ``base_url`` and ``client_id`` to ``path``
    (mode 0600, never over a file that is there), and give the public half (JWK)."""
    key = OKPKey.generate_key("Ed25519", private=True)
    content = {"base_url": base_url, "client_id": client_id, "private_jwk": key.as_dict(private=True)}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CredentialsUnusable(f"{path} is there already; name another file") from None
    except OSError as error:
        raise CredentialsUnusable(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    return key.as_dict(private=False)


def _is_web_address(text: object) -> bool:
    try:
        url = httpx.URL(text) if isinstance(text, str) else httpx.URL("")
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)
