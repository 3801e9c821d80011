"""More reports than the platform can take, and how it bears them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from homeward.client.session import Session

PIECE = 100
"""Reports in a request."""


@dataclass
class Flood:
    """What was sent, and what came of it."""

    who: Session
    url: str
    consents: list[dict[str, Any]]
    sent: int = 0
    accepted: int = 0
    """Reports for which there is a receipt."""
    answers: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    unanswered: int = 0

    async def pour(self, requests_per_second: float, seconds: float) -> None:
        """Send at that rate, whatever the answers and however late they come."""
        loop = asyncio.get_running_loop()
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:
            started, sending = loop.time(), []
            for number in range(int(requests_per_second * seconds)):
                await asyncio.sleep(started + number / requests_per_second - loop.time())
                sending.append(asyncio.ensure_future(self._send(client)))
            await asyncio.gather(*sending)

    async def fill(self, seconds: float, *, at_once: int = 8) -> float:
        """Send as fast as answers come; the requests per second that were taken."""
        loop = asyncio.get_running_loop()
        started, before = loop.time(), self.answers[201]
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:

            async def one_after_another() -> None:
                while loop.time() - started < seconds:
                    await self._send(client)

            await asyncio.gather(*(one_after_another() for _ in range(at_once)))
        return (self.answers[201] - before) / (loop.time() - started)

    async def _send(self, client: httpx.AsyncClient) -> None:
        self.sent += PIECE
        first = self.sent
        reports = [
            {"full_name": f"Flood {first - n}", "consents": self.consents, "narrative": "Seen. " * 20}
            for n in range(PIECE)
        ]
        headers = {**self.who.headers("POST", "/v1/reports"), "Content-Type": "application/json"}
        content = json.dumps(reports).encode()
        try:
            response = await client.post(f"{self.url}/v1/reports", content=content, headers=headers)
        except httpx.TransportError:
            self.unanswered += 1
            return
        self.answers[response.status_code] += 1
        if response.status_code == 201:
            self.accepted += response.json()["accepted"]
        elif not response.headers.get("retry-after", "").isdigit():
            self.without_retry_after += 1


async def largest_memory(pids: list[int], during: asyncio.Task[None]) -> int:
    """The most resident bytes that any of the processes had meanwhile."""
    most = 0
    while not during.done():
        most = max([most, *(psutil.Process(pid).memory_info().rss for pid in pids)])
        await asyncio.wait([during], timeout=0.2)
    await during
    return most
