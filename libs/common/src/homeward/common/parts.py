"""What a service is made of, built once in its ``app.py`` and handed to whoever needs it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from .arrivals import Arrivals
from .broker import Broker
from .clock import Clock, utc_now
from .contracts import Event
from .keys import CachedKeyring
from .settings import ServiceSettings
from .tokens import TokenVerifier
from .tx import Incoming, Tx

Handler = Callable[[Any, Tx], Awaitable[None]]
"""``async def on_<event>(event, tx)``: the effect of one event, by the transaction it is given."""


@dataclass
class Parts:
    """The outside of a service: every one can be replaced by a test."""

    name: str
    settings: ServiceSettings
    engine: AsyncEngine
    broker: Broker
    keyring: CachedKeyring
    verifier: TokenVerifier
    arrivals: Arrivals
    clock: Clock = utc_now
    own: dict[str, Any] = field(default_factory=dict)
    """What one service alone has (a signing key, a policy set), by name."""

    @asynccontextmanager
    async def transaction(self, actor: str) -> AsyncIterator[Tx]:
        """State and what is said about it, committed together at the end of the context."""
        async with self.engine.connect() as db:
            async with db.begin():
                tx = Tx(db, self.clock(), self.name, actor, self.keyring)
                yield tx
                await tx.flush()
            await tx.wake_relay()


async def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Service:
    """A service's table of contents: what it answers, what it consumes."""

    parts: Parts
    routers: Sequence[APIRouter] = ()
    consumers: Mapping[type[Event], Handler] = field(default_factory=dict)
    prepare: Callable[[Sequence[Incoming], Tx], Awaitable[None]] = _nothing
    """Before a batch's handlers: all locks in one ordered statement, all look-ups in a few."""
    restores: Mapping[type[Event], Handler] = field(default_factory=dict)
    """What makes of an event of its own the state that the event tells of, in a database that has lost it."""
    finish: Callable[[Tx], Awaitable[None]] = _nothing
    """After a batch's handlers: what is better done once than once an event."""
    ready: Callable[[], Awaitable[str | None]] = _nothing
    """Why the service is not ready yet, in a few words; None when it is."""
    background: Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = ()
    """Further loops of the ``consume`` role, each given the stop event."""

    @property
    def name(self) -> str:
        """The service's name, also its consumer group's."""
        return self.parts.name
