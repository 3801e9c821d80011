"""A partner's feed as server-sent events (WHATWG HTML §9.2): the pages that it would pull, as they come."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from homeward.common.auth import Actor
from homeward.common.http import LEAVE, STOP, ServiceParts
from homeward.common.openapi import refusals
from homeward.common.problems import Problem

from ..bell import Bell
from ..feed import Page
from ..reading import Reading
from .events import Cursor, FromTime, Limit, one_start, revoked, waiting
from .own import TheBell, TheSettings, TheStreams
from .reading import Reader, TheReading

router = APIRouter(prefix="/v1/events", tags=["events"])
MEDIA = "text/event-stream"
RECONNECT_MS = 1_000
PAUSE_SECONDS = 1.0
"""Before a page is asked for again that is not to be had at the moment."""
GOODBYE_SECONDS = 1.0
"""How long whoever does not read is waited for at the end."""

_EXAMPLE = 'data: {"specversion":"1.0", …}\nid: MS40NDY2…\n\nevent: heartbeat\ndata: {}\nid: MS40NDY2…\n\n'
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events without a name are CloudEvents; `heartbeat`; `problem` is the last one.",
        "content": {MEDIA: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **refusals(410),
}


@router.get("/stream", response_class=Response, responses=_DOCUMENTED)
async def stream(
    actor: Reader,
    parts: ServiceParts,
    reading: TheReading,
    bell: TheBell,
    streams: TheStreams,
    settings: TheSettings,
    cursor: Cursor = None,
    from_time: FromTime = None,
    limit: Limit = 100,
    seconds: Annotated[int, Query(ge=1, le=86_400)] = 86_400,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The feed as it grows, from ``Last-Event-ID``, else ``cursor``, else the time ``from``, else the
    beginning. It ends when the token does, or after ``seconds``; whoever may no longer read is told so by a
    last event ``problem``. Every event's ``id`` is the cursor behind it, and a heartbeat's as well. ``limit``
    is how many events are read, and recorded as read, at a time."""
    start = last_event_id or one_start(cursor, from_time)
    first = await reading.page(start, limit)
    if streams.locked():
        raise Problem(503, "busy", "There are as many streams as can be.", retry_after=5)
    left = seconds if actor.expires is None else min(seconds, actor.expires - parts.clock().timestamp())
    follower = Follower(reading, bell, actor, limit, settings.heartbeat_seconds)
    return EventStream(follower, first, streams, left)


@dataclass(frozen=True)
class Follower:
    """One who follows its feed."""

    reading: Reading
    bell: Bell
    actor: Actor
    limit: int
    heartbeat: float

    async def follow(self, page: Page, send: Send) -> None:
        """Send this page and all that come behind it, until the partner may no longer read."""
        while True:
            await _say(send, *_told(page))
            try:
                page = await self._next(page)
            except Problem as problem:
                body = bytes(problem.response().body).decode()
                return await _say(send, format_sse_event(event="problem", data_str=body))

    async def _next(self, page: Page) -> Page:
        """The next page; an empty one when it is time for a heartbeat. Problem if there will be none."""
        nothing = replace(page, events=())
        rung = page.more or await self.bell.rings(waiting(self.actor, page), self.heartbeat)
        if rung is None:
            return nothing
        if rung is False:
            raise revoked()
        try:
            return await self.reading.page(page.cursor, self.limit)
        except Problem as problem:
            if problem.status != 503:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
            return nothing


def _told(page: Page) -> list[bytes]:
    if not page.events:
        return [format_sse_event(event="heartbeat", data_str="{}", id=page.cursor)]
    return [format_sse_event(data_str=event.decode(), id=page.behind(seq)) for seq, event in page.events]


async def _say(send: Send, *events: bytes) -> None:
    await send({"type": "http.response.body", "body": b"".join(events), "more_body": True})


class EventStream(Response):
    """Goes on until ``seconds`` are over, the follower is told no, the client leaves, or the process ends."""

    media_type = MEDIA

    def __init__(self, follower: Follower, first: Page, places: asyncio.Semaphore, seconds: float) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._follower = follower
        self._first = first
        self._places = places
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        scope.get(LEAVE, lambda: None)()
        stop: asyncio.Event = scope.get(STOP) or asyncio.Event()
        async with self._places:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _say(send, format_sse_event(retry=RECONNECT_MS))
            ends = (self._follower.follow(self._first, send), _gone(receive), stop.wait())
            if not await _first_of(self._seconds, *ends):
                with suppress(TimeoutError):
                    end = send({"type": "http.response.body", "body": b"", "more_body": False})
                    await asyncio.wait_for(end, GOODBYE_SECONDS)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(seconds: float, *running: Awaitable[Any]) -> bool:
    """Run all until one ends, or for so long; then end the others. Whether the client left."""
    tasks = [asyncio.ensure_future(one) for one in running]
    try:
        await asyncio.wait(tasks, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(ended[0], Exception):
        raise ended[0]
    return not isinstance(ended[1], asyncio.CancelledError)
