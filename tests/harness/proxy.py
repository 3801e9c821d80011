"""One base URL for services on ports of their own, as a gateway gives it to partners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

OWNERS = {
    "intake": ("/v1/reports", "/v1/receipts", "/v1/receipt-keys", "/v1/report-columns", "/v1/intake"),
    "verification": ("/v1/persons", "/v1/counts", "/v1/matching-index", "/v1/verification"),
    "referral": ("/v1/cases", "/v1/referrals", "/v1/referral"),
    "audit": ("/log", "/v1/audit"),
    "keyring": ("/v1/keyring",),  # its admin routes; keys are for services, which do not come this way
}


class Proxy:
    """An ASGI application that passes requests on, to the replicas of a service in turn. By default the
    service is that which owns the path."""

    def __init__(
        self, ports_of: Callable[[str], Sequence[int]], owner_of: Callable[[str], str] | None = None
    ) -> None:
        self._ports_of = ports_of
        self._owner_of = owner_of or _owner
        self._turns: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._http = httpx.AsyncClient(timeout=120, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = Response(status_code=503)
        owner = self._owner_of(request.url.path)
        ports, first = self._ports_of(owner), next(self._turns[owner])
        for at in range(len(ports)):
            try:
                response = await self._passed_on(request, ports[(first + at) % len(ports)])
                break
            except httpx.ConnectError:
                continue  # nothing was done yet, so another replica may be asked
            except httpx.TransportError:
                break
        await response(scope, receive, send)

    async def _passed_on(self, request: Request, port: int) -> Response:
        url = request.url.replace(scheme="http", hostname="127.0.0.1", port=port)
        headers = {k: v for k, v in request.headers.items() if k not in {"host", "content-length"}}
        answer = await self._http.request(
            request.method, str(url), content=await request.body(), headers=headers
        )
        kept = {k: v for k, v in answer.headers.items() if k not in {"content-length", "content-encoding"}}
        return Response(answer.content, answer.status_code, kept)

    async def close(self) -> None:
        await self._http.aclose()


def _owner(path: str) -> str:
    """What no other service owns is exchange's."""
    for name, prefixes in OWNERS.items():
        if any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes):
            return name
    return "exchange"
