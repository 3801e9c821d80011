"""Requests to the platform: tokens are fetched, renewed and proven to be ours, errors become two
exceptions."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import stamina
from joserfc import jwt

from .credentials import Credentials
from .proofs import Prover

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN = "/oauth/token"  # noqa: S105 - a path


class Unreachable(Exception):
    """The platform did not answer, or is not available at the moment."""


class Stranger(Unreachable):
    """Something answers at the platform's address, but not as Homeward does."""


class Refused(Exception):
    """The platform said no: its problem details (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        # OAuth errors have a form of their own (RFC 6749 §5.2)
        detail = problem.get("detail") or problem.get("error_description") or problem.get("title")
        super().__init__(str(detail or f"the platform answered {status}"))
        self.status = status
        self.problem = problem


class Session:
    """An authorised connection of one client. Use as a context manager, from one thread."""

    def __init__(self, credentials: Credentials, *, timeout: float = 60) -> None:
        self.credentials = credentials
        self._http = httpx.Client(base_url=credentials.base_url, timeout=timeout, trust_env=False)
        self._prover = Prover(credentials.base_url)
        self._token = ""
        self._scheme = "Bearer"
        self._renew_at = 0.0
        self._answered = False

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
        return self._json(self.request("GET", path, params=params))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """JSON of a POST. Refused, Unreachable."""
        if body is not None:
            options["json"] = body
        return self._json(self.request("POST", path, **options))

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An authorised request to a ``path`` of the platform. A GET is tried again while the platform is
        away, up to 20 seconds; a POST is sent again only by the caller, who knows whether it may be.

        An address that has not answered yet is not waited for: it may be the wrong one.
        """
        if not path.startswith("/"):
            raise ValueError("a path begins with /; the token goes to nobody but the platform")
        if method != "GET":
            return self._send(method, path, options)
        for attempt in stamina.retry_context(on=self._passes, attempts=None, timeout=20, wait_initial=0.2):
            with attempt:
                return self._send(method, path, options)
        raise AssertionError("retries end in a result or an exception")

    def public(self, path: str) -> bytes:
        """Bytes of a GET that needs no token."""
        return checked(self._exchange("GET", path)).content

    def token(self) -> str:
        """An access token that holds for a while yet."""
        if time.monotonic() >= self._renew_at:
            granted = self._json(checked(self._proven(self._ask_for_token)))
            try:
                self._scheme = "DPoP" if str(granted.get("token_type")).lower() == "dpop" else "Bearer"
                self._token, lifetime = str(granted["access_token"]), float(granted["expires_in"])
            except (AttributeError, KeyError, TypeError, ValueError):
                raise self._stranger() from None
            self._renew_at = time.monotonic() + lifetime * 0.8
        return self._token

    def headers(self, method: str, path: str) -> dict[str, str]:
        """What authorises one request, for another HTTP client than this one to send."""
        token = self.token()
        headers = {"Authorization": f"{self._scheme} {token}"}
        if self._scheme == "DPoP":
            headers["DPoP"] = self._prover.proof(method, path, token)
        return headers

    def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        known = self._token
        response = self._authorised(method, path, options)
        if response.status_code == 401 and self._token == known:
            # Perhaps the token ended while this machine slept (its clock for us stood still), or the
            # issuer has another key by now. Nothing was done yet, so it may be asked again.
            self._renew_at = 0.0
            response = self._authorised(method, path, options)
        return checked(response)

    def _authorised(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        def send() -> httpx.Response:
            headers = {**options.get("headers", {}), **self.headers(method, path)}
            return self._exchange(method, path, **{**options, "headers": headers})

        return self._proven(send)

    def _proven(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """The answer, after sending once more if all that was wrong was the nonce in the proof."""
        response = send()
        if self._prover.heard(response):
            response = send()
            self._prover.heard(response)
        return response

    def _ask_for_token(self) -> httpx.Response:
        proof = self._prover.proof("POST", TOKEN)
        return self._exchange("POST", TOKEN, data=grant(self.credentials), headers={"DPoP": proof})

    def _exchange(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            base_url, kind = self.credentials.base_url, type(error).__name__
            raise Unreachable(f"{base_url} does not answer ({kind})") from None
        self._answered = True
        return response

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise self._stranger() from None

    def _stranger(self) -> Stranger:
        return Stranger(f"{self.credentials.base_url} answers, but not as Homeward does")

    def _passes(self, error: Exception) -> bool:
        return isinstance(error, Unreachable) and not isinstance(error, Stranger) and self._answered


def grant(credentials: Credentials) -> dict[str, str]:
    """What asks for a token, good once: client credentials by ``private_key_jwt`` (RFC 7523)."""
    now, client_id = int(time.time()), credentials.client_id
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": credentials.base_url,
        "iat": now,
        "exp": now + 120,
        "jti": str(uuid.uuid4()),
    }
    assertion = jwt.encode({"alg": "Ed25519"}, claims, credentials.key, algorithms=["Ed25519"])
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


def checked(response: httpx.Response) -> httpx.Response:
    """The answer, if it is a yes. Unreachable for one that passes by itself, Refused for any other."""
    if response.is_success:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = None
    refused = Refused(response.status_code, problem if isinstance(problem, dict) else {})
    if response.status_code in {502, 503, 504}:
        raise Unreachable(str(refused))
    raise refused
