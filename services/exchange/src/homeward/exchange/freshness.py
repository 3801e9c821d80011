"""Whether what others published is taken into account here: a feed served while exchange is far behind
could show what has been revoked meanwhile."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from homeward.common import inbox
from homeward.common.broker import TopicPartition, behind
from homeward.common.db import is_transient
from homeward.common.parts import Parts

from .store import partners as registry

log = logging.getLogger(__name__)
EVERY_SECONDS = 2.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Watch:
    """The background loop of the ``consume`` role that notes how far exchange has got."""

    def __init__(self, parts: Parts, topics: Sequence[str]) -> None:
        self._parts = parts
        self._topics = topics
        self._ends: Mapping[TopicPartition, int] = {}
        """Where the topics ended at ``_at``; once all before that is handled, we have caught up with it."""
        self._at: datetime | None = None
        self._begun = False

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until ``stop``."""
        while not stop.is_set():
            try:
                await self.step()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("watch waits: %s", type(error).__name__)
            try:
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue

    async def step(self) -> None:
        """Look once; note it if all that was there at an earlier look is handled."""
        if not self._begun:  # feeds wait for us from now on, whatever we find
            await self._note(_LONG_AGO)
            self._begun = True
        now = self._parts.clock()
        ends = await self._parts.broker.end_positions(self._topics)
        async with self._parts.engine.connect() as db:
            done = await inbox.positions(db, self._parts.name)
        if not behind(ends, done):
            await self._note(now)
        elif self._at is not None and not behind(self._ends, done):
            await self._note(self._at)
        elif self._at is not None:
            return
        self._ends, self._at = ends, now

    async def _note(self, at: datetime) -> None:
        async with self._parts.engine.begin() as db:
            await registry.note_caught_up(db, at)
