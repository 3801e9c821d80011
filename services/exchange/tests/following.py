"""Exchange on a socket, and partners that follow their feeds there."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from homeward.common import http
from homeward.common.main import listen, serve
from homeward.common.parts import Service

from .scene import Profile, Scene

Said = Mapping[str, Any]
"""One server-sent event: its name, its id, its data."""


class Street:
    """Where exchange listens."""

    def __init__(self, scene: Scene, url: str, stop: asyncio.Event) -> None:
        self.url = url
        self.stop = stop
        self._scene = scene

    def headers(self, who: Profile, **more: Any) -> dict[str, str]:
        """What lets ``who`` in; ``more`` as for a token."""
        name = who["agency"]
        known = {"organisation": name, "role": "partner", "client_id": name, **more}
        return {"Authorization": f"Bearer {self._scene.world.verifier.token('events:read', **known)}"}

    @asynccontextmanager
    async def follow(
        self, who: Profile, *, last: str | None = None, token: Mapping[str, Any] | None = None, **query: Any
    ) -> AsyncIterator[AsyncIterator[Said]]:
        """What a partner is told, heartbeats too; AssertionError if it is not let in."""
        headers = self.headers(who, **(token or {})) | ({"Last-Event-ID": last} if last else {})
        async with (
            httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30) as client,
            client.stream("GET", "/v1/events/stream", params=query, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise AssertionError((await response.aread()).decode())
            assert response.headers["content-type"].startswith("text/event-stream")
            yield said(response)


async def said(response: httpx.Response) -> AsyncIterator[Said]:
    """The events of a stream, by the rules that we need of WHATWG HTML §9.2.6."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            assert name not in fields, "one line each"
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                yield {"event": "message", **fields, "data": json.loads(fields["data"])}
            fields = {}


async def events(following: AsyncIterator[Said], count: int) -> list[Said]:
    """The next so many CloudEvents, whatever heartbeats come between."""
    found: list[Said] = []
    while len(found) < count:
        one = await asyncio.wait_for(anext(following), 20)
        assert one["event"] in {"message", "heartbeat"}, one
        found += [one] if one["event"] == "message" else []
    return found


@asynccontextmanager
async def street(scene: Scene, **settings: Any) -> AsyncIterator[Street]:
    """Exchange served on a free port, with other ``settings``."""
    await scene.pull({"agency": "cn-police"})
    service: Service = scene.service
    service.parts.settings = service.parts.settings.model_copy(update=settings)
    stop, listening = asyncio.Event(), listen("127.0.0.1", 0)
    serving = asyncio.create_task(serve(http.create_app(service), listening, stop))
    try:
        yield Street(scene, f"http://127.0.0.1:{listening.getsockname()[1]}", stop)
    finally:
        stop.set()
        await serving
        listening.close()
