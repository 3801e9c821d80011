"""The platform for a partner's program, with ``async`` and without.

async with AsyncClient(Credentials.read(Path("border-ngo.json"))) as client:
    async for event in client.events.follow(cursor_store=CursorFile("cursor")):
        ...
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Self

import httpx

from .authorisation import Authorisation
from .course import PATH, Course, Ended, Event
from .credentials import Credentials
from .cursors import CursorFile, CursorInMemory, CursorStore
from .session import Refused, Stranger, Unreachable, checked

__all__ = [
    "AsyncClient", "Client", "Credentials", "CursorFile", "CursorInMemory", "CursorStore", "Event", "Refused",
    "Stranger", "Unreachable",
]  # fmt: skip

QUIET_SECONDS = 60.0
"""A stream says something every fifteen; one that does not is dead, whatever the network believes."""
_ACK = "/v1/events/ack"


class Events:
    """A partner's feed."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], None]) -> None:
        self._http = http
        self._sleep = sleep

    def follow(self, *, cursor_store: CursorStore | None = None, limit: int = 100) -> Iterator[Event]:
        """Events as they come, for ever, from where ``cursor_store`` says we were.

        An event counts as handled when the next one is asked for, and its cursor is saved then: after a
        crash the one that was being handled comes again, so handle an ``id`` once. What passes by itself is
        waited for; Refused when the platform says no for good (403 suspended, 410 the feed begins anew),
        Unreachable when nobody ever answered.
        """
        course = Course(cursor_store or CursorInMemory(), limit)
        while True:
            try:
                with self._http.stream("GET", PATH, **course.request()) as response:
                    if not response.is_success:
                        response.read()
                    course.connected(response)
                    for chunk in response.iter_bytes():
                        for cursor, event in course.hear(chunk):
                            yield event
                            course.handled(cursor)
                pause = course.pause(Ended())
            except (httpx.TransportError, Ended, Unreachable) as error:
                pause = course.pause(error)
            self._sleep(pause)

    def acknowledge(self, sequence: int) -> int:
        """Tell that the feed was handled up to ``sequence``; how far is acknowledged now. Refused,
        Unreachable."""
        try:
            answer = self._http.post(_ACK, json={"sequence": sequence})
        except httpx.TransportError as error:
            raise Unreachable(type(error).__name__) from None
        return int(checked(answer).json()["sequence"])


class AsyncEvents:
    """A partner's feed."""

    def __init__(self, http: httpx.AsyncClient, sleep: Callable[[float], Coroutine[Any, Any, None]]) -> None:
        self._http = http
        self._sleep = sleep

    async def follow(
        self, *, cursor_store: CursorStore | None = None, limit: int = 100
    ) -> AsyncIterator[Event]:
        """As :meth:`Events.follow`."""
        course = Course(cursor_store or CursorInMemory(), limit)
        while True:
            try:
                async with self._http.stream("GET", PATH, **course.request()) as response:
                    if not response.is_success:
                        await response.aread()
                    course.connected(response)
                    async for chunk in response.aiter_bytes():
                        for cursor, event in course.hear(chunk):
                            yield event
                            course.handled(cursor)
                pause = course.pause(Ended())
            except (httpx.TransportError, Ended, Unreachable) as error:
                pause = course.pause(error)
            await self._sleep(pause)

    async def acknowledge(self, sequence: int) -> int:
        """As :meth:`Events.acknowledge`."""
        try:
            answer = await self._http.post(_ACK, json={"sequence": sequence})
        except httpx.TransportError as error:
            raise Unreachable(type(error).__name__) from None
        return int(checked(answer).json()["sequence"])


class Client:
    """A partner's connection: tokens and proofs of possession are made by themselves. Use as a context
    manager, from one thread."""

    def __init__(self, credentials: Credentials, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http = httpx.Client(**_options(credentials))
        self.events = Events(self._http, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()


class AsyncClient:
    """As :class:`Client`, for any number of tasks of one event loop."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(**_options(credentials))
        self.events = AsyncEvents(self._http, sleep)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


def _options(credentials: Credentials) -> dict[str, Any]:
    return {
        "base_url": credentials.base_url,
        "auth": Authorisation(credentials),
        "timeout": QUIET_SECONDS,
        "trust_env": False,
    }
