"""``python -m homeward.exchange.configure DIR BASE_URL``: fresh secrets for a deployment.

Writes the issuer's key, the staff file, and the credentials of the first staff, one file a role, for
the ``homeward`` command. What is there already is kept.
"""

import json
import sys
from pathlib import Path
from typing import Any

from homeward.common import jose
from homeward.common.secret_files import write_secret

ORGANISATION = "homeward"
STAFF = ("operator", "caseworker", "reviewer", "auditor")


def configure(folder: Path, base_url: str, credentials: Path | None = None) -> None:
    """``issuer.jwk`` and ``staff.json`` in ``folder``, ``<role>.json`` in ``credentials`` (default: the
    folder of that name in it).

    The credentials name ``base_url``; when it changed (another port), they are written anew with the
    keys they had.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials = credentials or folder / "credentials"
    credentials.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(folder / "issuer.jwk", json.dumps(jose.new_key().as_dict(private=True)))
    staff: dict[str, Any] = {}
    for role in STAFF:
        path = credentials / f"{role}.json"
        known: dict[str, Any] = {"client_id": role, "private_jwk": jose.new_key().as_dict(private=True)}
        if path.exists():
            known = json.loads(path.read_text())
        write_secret(path, json.dumps({**known, "base_url": base_url}, indent=2) + "\n", replace=True)
        public = jose.public_jwk(jose.key_of(known["private_jwk"]))
        staff[known["client_id"]] = {"organisation": ORGANISATION, "role": role, "jwk": public}
    (folder / "staff.json").write_text(json.dumps(staff, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m homeward.exchange.configure DIR BASE_URL")
    configure(Path(sys.argv[1]), sys.argv[2])
