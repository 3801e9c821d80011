"""The keyring over HTTP, as every other service meets it."""

import time
from base64 import b64decode
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import httpx
from joserfc.jwk import OKPKey

from . import jose
from .ids import new_id
from .keys import ClassKeys, Erased, KeyringUnavailable, KeySet

ASSERTION_SECONDS = 60
AUDIENCE = "homeward-keyring"
CHUNK = 2_000
"""Subjects asked for in one request."""


class HttpKeyring:
    """Calls the keyring, proving who we are by a short-lived signed assertion."""

    def __init__(
        self,
        url: str,
        service: str,
        key: OKPKey,
        *,
        client: httpx.AsyncClient | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client or httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)
        self._service = service
        self._key = key
        self._now = now

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """As :meth:`.Keyring.class_keys`."""
        found: dict[str, ClassKeys | Erased] = {}
        ordered = sorted(subjects)
        for start in range(0, len(ordered), CHUNK):
            answer = await self._post(
                "/v1/keys", {"subjects": ordered[start : start + CHUNK], "create": create}
            )
            for subject, keys in answer["keys"].items():
                found[subject] = {name: b64decode(key) for name, key in keys.items()}
            for subject, at in answer["erased"].items():
                found[subject] = Erased(datetime.fromisoformat(at))
        return found

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """As :meth:`.Keyring.erase`."""
        body = {"subjects": sorted(subjects), "person_id": person_id, "actor": actor}
        answer = await self._post("/v1/erasures", body)
        return datetime.fromisoformat(answer["erased_at"])

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = await self._client.post(path, json=body, headers=self._headers())
        except httpx.TransportError as error:
            raise KeyringUnavailable(type(error).__name__) from None
        if response.status_code >= 500 or response.status_code == 429:
            raise KeyringUnavailable(f"keyring answered {response.status_code}")
        if response.status_code != 200:
            raise RuntimeError(f"keyring refused {path}: {response.status_code}")
        answer: dict[str, Any] = response.json()
        return answer

    def _headers(self) -> dict[str, str]:
        now = int(self._now())
        claims = {
            "iss": self._service,
            "sub": self._service,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": str(new_id()),
        }
        return {"Authorization": f"Bearer {jose.sign(claims, self._key)}"}
