"""``python -m homeward.keyring.configure DIR``: fresh secrets for a deployment.

Writes a key-encryption key, one private key a service, and the services file that matches them.
Nothing that is there is overwritten: a lost key-encryption key is lost data.
"""

import json
import os
import sys
from pathlib import Path

from homeward.common import jose
from homeward.common.secret_files import write_secret

from .domain import ENTITLEMENTS
from .keyring import OWN


def configure(folder: Path) -> None:
    """``kek``, ``<service>.jwk`` and ``services.json`` in ``folder``; keys that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(folder / "kek", os.urandom(32).hex() + "\n")
    known = {}
    for name, classes in ENTITLEMENTS.items():
        if name == OWN:
            continue
        path = folder / f"{name}.jwk"
        write_secret(path, json.dumps(jose.new_key().as_dict(private=True)))
        public = jose.public_jwk(jose.read_key(path))
        known[name] = {"jwk": public, "classes": sorted(classes)}
    (folder / "services.json").write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m homeward.keyring.configure DIR")
    configure(Path(sys.argv[1]))
