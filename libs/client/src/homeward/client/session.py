"""Requests to the platform: tokens are fetched and renewed, errors become two exceptions."""

import time
import uuid
from typing import Any

import httpx
import stamina
from joserfc import jwt

from .credentials import Credentials

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Unreachable(Exception):
    """The platform did not answer, or is not available at the moment."""


class Refused(Exception):
    """The platform said no: its problem details (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or "refused")
        self.problem = problem
        self.status = int(problem.get("status", 0))


class Session:
    """An authorised connection of one client. Use as a context manager, from one thread."""

    def __init__(self, credentials: Credentials, *, timeout: float = 60) -> None:
        self.credentials = credentials
        self._http = httpx.Client(base_url=credentials.base_url, timeout=timeout, trust_env=False)
        self._token = ""
        self._renew_at = 0.0

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """JSON of a GET; parameters that are None are left out. Refused, Unreachable."""
        params = {name: value for name, value in parameters.items() if value is not None}
        return self.request("GET", path, params=params).json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """JSON of a POST. Refused, Unreachable."""
        if body is not None:
            options["json"] = body
        return self.request("POST", path, **options).json()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An authorised request. A GET is tried again while the platform is away, up to 20 seconds;
        a POST is sent again only by the caller, who knows whether it may be."""
        if method != "GET":
            return self._send(method, path, options)
        for attempt in stamina.retry_context(on=Unreachable, attempts=6, timeout=20, wait_initial=0.2):
            with attempt:
                return self._send(method, path, options)
        raise AssertionError("retries end in a result or an exception")

    def public(self, path: str) -> bytes:
        """Bytes of a GET that needs no token."""
        try:
            return _checked(self._http.get(path)).content
        except httpx.TransportError as error:
            raise _unreachable(self.credentials.base_url, error) from None

    def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token()}", **(options.get("headers") or {})}
        try:
            return _checked(self._http.request(method, path, **{**options, "headers": headers}))
        except httpx.TransportError as error:
            raise _unreachable(self.credentials.base_url, error) from None

    def token(self) -> str:
        """An access token that holds for a while yet."""
        if time.monotonic() >= self._renew_at:
            try:
                response = self._http.post("/oauth/token", data=self._grant())
            except httpx.TransportError as error:
                raise _unreachable(self.credentials.base_url, error) from None
            granted = _checked(response).json()
            self._token = granted["access_token"]
            self._renew_at = time.monotonic() + granted["expires_in"] * 0.8
        return self._token

    def _grant(self) -> dict[str, str]:
        now, client_id = int(time.time()), self.credentials.client_id
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": self.credentials.base_url,
            "iat": now,
            "exp": now + 120,
            "jti": str(uuid.uuid4()),
        }
        assertion = jwt.encode({"alg": "Ed25519"}, claims, self.credentials.key, algorithms=["Ed25519"])
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    problem.setdefault("status", response.status_code)
    if "error_description" in problem:  # OAuth errors have a form of their own (RFC 6749 §5.2)
        problem.setdefault("detail", problem["error_description"])
    if response.status_code in {502, 503, 504}:
        raise Unreachable(problem.get("detail") or f"the platform answered {response.status_code}")
    raise Refused(problem)


def _unreachable(base_url: str, error: Exception) -> Unreachable:
    return Unreachable(f"{base_url} does not answer ({type(error).__name__})")
