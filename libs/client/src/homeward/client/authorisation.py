"""Tokens and proofs for httpx, whichever client it is: fetched, renewed and made by themselves."""

import time
from collections.abc import AsyncGenerator, Generator

import httpx

from .credentials import Credentials
from .proofs import Prover
from .session import TOKEN, Stranger, checked, grant

Flow = Generator[httpx.Request, httpx.Response, None]


class Authorisation(httpx.Auth):
    """Authorises requests to the platform of ``credentials``: their addresses must be there. Refused,
    Unreachable, if there is no token to be had."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._prover = Prover(credentials.base_url)
        self._token = ""
        self._scheme = "Bearer"
        self._renew_at = 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """As httpx asks for it."""
        flow = self._flow(request)
        outgoing = next(flow)
        while True:
            response = yield outgoing
            if _is_small(outgoing, request, response):
                response.read()
            try:
                outgoing = flow.send(response)
            except StopIteration:
                return

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """As httpx asks for it."""
        flow = self._flow(request)
        outgoing = next(flow)
        while True:
            response = yield outgoing
            if _is_small(outgoing, request, response):
                await response.aread()
            try:
                outgoing = flow.send(response)
            except StopIteration:
                return

    def _flow(self, request: httpx.Request) -> Flow:
        known = time.monotonic() < self._renew_at
        if not known:
            yield from self._renew(request)
        response = yield from self._signed(request)
        if response.status_code == 401 and known:
            # Perhaps the token ended while this machine slept, or its key was changed. Nothing was done yet.
            yield from self._renew(request)
            yield from self._signed(request)

    def _signed(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
        """The answer, after sending once more if all that was wrong was the nonce in the proof."""
        response = yield self._sign(request)
        if self._prover.heard(response):
            response = yield self._sign(request)
            self._prover.heard(response)
        return response

    def _sign(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"{self._scheme} {self._token}"
        if self._scheme == "DPoP":
            # As the server names it: the path is what came behind the base URL.
            path = str(request.url).removeprefix(self._credentials.base_url)
            request.headers["DPoP"] = self._prover.proof(request.method, path, self._token)
        return request

    def _renew(self, request: httpx.Request) -> Flow:
        response = yield self._ask(request)
        if self._prover.heard(response):
            response = yield self._ask(request)
            self._prover.heard(response)
        granted = checked(response)
        try:
            content = granted.json()
            self._scheme = "DPoP" if str(content.get("token_type")).lower() == "dpop" else "Bearer"
            self._token, lifetime = str(content["access_token"]), float(content["expires_in"])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Stranger(f"{self._credentials.base_url} answers, but not as Homeward does") from None
        self._renew_at = time.monotonic() + lifetime * 0.8

    def _ask(self, request: httpx.Request) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._credentials.base_url + TOKEN,
            data=grant(self._credentials),
            headers={"DPoP": self._prover.proof("POST", TOKEN)},
            extensions={"timeout": request.extensions.get("timeout", {})},
        )

    def renew(self) -> None:
        """Have the next request fetch another token."""
        self._renew_at = 0.0


def _is_small(outgoing: httpx.Request, request: httpx.Request, response: httpx.Response) -> bool:
    """Whether it is to be read here: what was asked for may be a stream without an end."""
    return outgoing is not request or response.status_code >= 400
