"""Credentials: who we are and where the platform is. A JSON file that only its owner may read."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey


class CredentialsUnusable(Exception):
    """The file cannot be used; the message says why and what to do."""


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
            key = OKPKey.import_key(content["private_jwk"])
            return cls(content["base_url"].rstrip("/"), content["client_id"], key)
        except OSError as error:
            raise CredentialsUnusable(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError, JoseError):
            raise CredentialsUnusable(
                f"{path} is no credentials file (base_url, client_id, private_jwk)"
            ) from None


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
