"""More requests than a service takes at once are turned away at once, and told when to come again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from .asking import on_a_socket, without_database
from .test_http_errors import check

JSON = {"content-type": "application/json"}


async def test_who_comes_when_all_places_are_taken_is_turned_away_and_let_in_later() -> None:
    service = without_database()
    settings = service.parts.settings.model_copy(update={"max_requests": 2})
    service = replace(service, parts=replace(service.parts, settings=settings))
    begun, rest = asyncio.Semaphore(0), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"text": '
        begun.release()
        await rest.wait()
        yield b'"x"}'

    async with on_a_socket(service) as client:
        waiting = [
            asyncio.ensure_future(client.post("/v1/checks", content=slowly(), headers=JSON)) for _ in range(2)
        ]
        for _ in waiting:
            await begun.acquire()
        while (refused := await client.post("/v1/checks", json={"text": "x"})).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the server has not seen both yet
        check(refused, 503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get("/healthz")).status_code == 200
        rest.set()
        assert [response.status_code for response in await asyncio.gather(*waiting)] == [200, 200]
        assert (await client.post("/v1/checks", json={"text": "x"})).status_code == 200
