"""The services that may ask for keys: by which public key they are known, which classes they may hold."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from homeward.common import jose
from homeward.common.contracts import FieldClass
from homeward.common.keys import LOOKUP
from homeward.common.parts import Parts

from .domain import AUDIT, ENTITLEMENTS
from .kek_files import KekFiles
from .keyring import OWN, LocalKeyring

KNOWN_CLASSES = frozenset({*FieldClass, LOOKUP, AUDIT})
LONGEST = 300
"""Seconds an assertion may live: one that leaked is soon worth nothing."""


class ServicesUnusable(Exception):
    """The services file is not valid; the message says where."""


class Services:
    """Callers by name."""

    def __init__(
        self,
        parts: Callable[[], Parts],
        files: KekFiles,
        known: Mapping[str, Mapping[str, Any]],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._keys: dict[str, OKPKey] = {}
        self._keyrings = {OWN: LocalKeyring(parts, files, OWN, ENTITLEMENTS[OWN])}
        for name, entry in known.items():
            if name == OWN:
                raise ServicesUnusable(f"services file: {OWN} is the keyring's own name")
            try:
                self._keys[name] = OKPKey.import_key(dict(entry["jwk"]))
                classes = frozenset(entry["classes"])
            except (KeyError, TypeError, ValueError, JoseError):
                raise ServicesUnusable(f"services file: entry {name} needs jwk and classes") from None
            if unknown := classes - KNOWN_CLASSES:
                raise ServicesUnusable(f"services file: entry {name}: {min(unknown)} is no class")
            self._keyrings[name] = LocalKeyring(parts, files, name, classes)

    @staticmethod
    def read(path: Path) -> Mapping[str, Mapping[str, Any]]:
        """The content of a services file; ServicesUnusable if it is no JSON object."""
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ServicesUnusable(f"services file {path}: {type(error).__name__}") from None
        if not isinstance(known, dict):
            raise ServicesUnusable(f"services file {path}: must be an object")
        return known

    def keyring_of(self, service: str) -> LocalKeyring:
        """The keyring as ``service`` may use it; KeyError for an unknown one."""
        return self._keyrings[service]

    def authenticate(self, assertion: str, audience: str) -> str:
        """The name of the service that signed ``assertion``; jose.TokenRefused says why not."""
        name = jose.unverified_claims(assertion).get("iss")
        key = self._keys.get(name) if isinstance(name, str) else None
        if key is None or not isinstance(name, str):
            raise jose.TokenRefused("unknown_service")
        now = int(self._now())
        claims = jose.verify(assertion, key, now=now, audience=audience, issuer=name)
        if claims["exp"] > now + LONGEST:
            raise jose.TokenRefused("lives_too_long")
        return name
