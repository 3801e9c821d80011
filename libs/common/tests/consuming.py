"""The tiny service at work on what is published, and its dead letters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from harness.world import World
from homeward.common import dead_letters as letters
from homeward.common.broker import lag
from homeward.common.consumer import Consumer
from homeward.common.envelope import topics_of
from homeward.common.parts import Service
from homeward.common.tables import dead_letters

from .noting import LIMIT, until


@asynccontextmanager
async def consuming(world: World, service: Service, *, batch: int = 300) -> AsyncIterator[None]:
    """``service`` consumes meanwhile, and by the end has been given all there is."""
    stop = asyncio.Event()
    consumer = asyncio.ensure_future(Consumer(service, batch=batch).run(stop))
    try:
        yield
        await caught_up(world, service)
    finally:
        stop.set()
        await world.execute(service, "NOTIFY homeward_log")  # it need not wait for a record to come
        await asyncio.wait_for(consumer, LIMIT)


async def caught_up(world: World, service: Service) -> None:
    """Wait until ``service`` has committed all there is, and has tried the letters that are due."""

    async def nothing_left() -> bool:
        heads: dict[str, str] = {}
        for letter in await all_letters(service):
            if letter.state not in {letters.DONE, letters.SKIPPED}:
                heads.setdefault(letter.stream, letter.state)
        behind = await lag(world.broker, service.name, topics_of(service.consumers))
        return not behind and set(heads.values()) <= {letters.POISON}

    await until(nothing_left)


async def all_letters(service: Service) -> Sequence[sa.Row[Any]]:
    """Every letter, open or not, by place."""
    query = sa.select(dead_letters).order_by(
        dead_letters.c.topic, dead_letters.c.partition, dead_letters.c.offset
    )
    async with service.parts.engine.connect() as db:
        return (await db.execute(query)).all()


async def states(service: Service) -> list[str]:
    """The states of all letters, by place."""
    return [letter.state for letter in await all_letters(service)]


async def decide(service: Service, letter_id: UUID, decision: str) -> None:
    """Have an operator ``retry`` or ``skip`` a letter."""
    async with service.parts.engine.begin() as db:
        done = await (letters.ask_retry if decision == "retry" else letters.skip)(db, letter_id)
    assert done is not None
