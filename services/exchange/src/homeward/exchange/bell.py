"""Whoever waits for a feed to grow waits here: one look at the database in a while for all of them, so that
waiting costs nobody a connection."""

import asyncio
import logging
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from homeward.common.db import each_alone, is_transient

from .pseudonyms import Place
from .store import pages

log = logging.getLogger(__name__)
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Waiting:
    """Who waits: a client (with a token got by ``key``) at a place in the feed of an agency."""

    agency: str
    client_id: str
    key: str | None
    place: Place

    def met_by(self, standing: pages.Standing) -> bool:
        """Whether there is something to see: events, another feed, or that nobody may see it any more."""
        feed = (standing.epoch, standing.last_seq)
        return feed != self.place or standing.suspended or standing.revoked


class Bell:
    """Rings for each who waits when its feed is another one than it has seen."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = each_alone(engine)
        self._waiting: dict[asyncio.Future[bool], Waiting] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def rings(self, who: Waiting, seconds: float) -> bool | None:
        """Wait until there is something to see (True), or the key by which the token was got is revoked
        (False), or for so long (None)."""
        rung: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[rung] = who
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            return await asyncio.wait_for(rung, max(0.0, seconds))
        except TimeoutError:
            return None
        finally:
            del self._waiting[rung]

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._ring()
            except Exception as error:
                if not is_transient(error):
                    self._fail(error)
                log.warning("feeds are not looked at: %s", type(error).__name__)

    async def _ring(self) -> None:
        asked = {(who.agency, who.client_id, who.key) for who in self._waiting.values()}
        if not asked:
            return
        async with self._engine.connect() as db:
            found = await pages.standings(db, asked)
        for rung, who in self._waiting.items():
            standing = found.get((who.agency, who.client_id, who.key))
            if standing is not None and who.met_by(standing) and not rung.done():
                rung.set_result(not standing.revoked)

    def _fail(self, error: Exception) -> None:
        for rung in self._waiting:
            if not rung.done():
                rung.set_exception(error)
