"""The tiny service as the tests meet it, and what they hand to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.world import World
from homeward.common.contracts import ReportReceived
from homeward.common.ids import new_id
from homeward.common.parts import Handler, Service

TINY = Path(__file__).with_name("tiny")
if str(TINY) not in sys.path:
    sys.path.append(str(TINY))  # `homeward` is a namespace: its parts may lie anywhere

if TYPE_CHECKING:
    from .tiny.homeward.tiny.app import NoteTaken, Settings, create_service, notes, on_report_received
else:
    from homeward.tiny.app import NoteTaken, Settings, create_service, notes, on_report_received

__all__ = ["TINY", "NoteTaken", "Settings", "create_service", "notes", "on_report_received"]

T = TypeVar("T")
LIMIT = 20.0
"""Seconds after which what should have happened has not."""


def report(name: str = "Zoë Lin", **fields: Any) -> ReportReceived:
    """A report of somebody made up; by default a stream of its own."""
    given = {"report_id": new_id(), "reporter_id": new_id(), **fields}
    return ReportReceived(
        kind="missing", received_at="2025-01-07T09:30:00Z", channel="api", full_name=name, **given
    )


def handling(service: Service, handler: Handler, **rest: Any) -> Service:
    """The service with another handler of reports, and other ``rest`` of it."""
    return replace(service, consumers={**service.consumers, ReportReceived: handler}, **rest)


async def names(world: World, service: Service) -> list[str | None]:
    """The names noted, in order."""
    return [row.name for row in await world.execute(service, "SELECT name FROM notes ORDER BY position")]


async def until(happens: Callable[[], Awaitable[T]], limit: float = LIMIT) -> T:
    """What ``happens`` answers once that is true; fails after ``limit`` seconds."""
    async with asyncio.timeout(limit):
        while not (found := await happens()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def running(*loops: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[asyncio.Event]:
    """Loops of a service that run until the end of the context, and whose failure fails the test."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(loop(stop)) for loop in loops]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), LIMIT)
