"""Deciding again in the background, in batches: everything, after a partner came or a policy changed;
and what rested on a consent that has ended.

Reads do not wait for it: a release that rests on older revisions, or on a consent that has ended, is
decided again when it is read. But who has read it already is told by a retraction alone.
"""

import asyncio
import logging

from homeward.common.db import is_transient
from homeward.common.parts import Parts

from .activation import activate
from .decide import decide_persons
from .judge import Judge
from .store import cases, feeds, policy_sets
from .store import partners as registry

log = logging.getLogger(__name__)
BATCH = 200
ACTOR = "service:exchange"


class Sweeper:
    """The background loop of the ``consume`` role."""

    def __init__(self, parts: Parts, judge: Judge, *, batch: int = BATCH) -> None:
        self._parts = parts
        self._judge = judge
        self._batch = batch

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until ``stop``. Waits while other policies decide than this release can read."""
        activated = False
        while not stop.is_set():
            worked = False
            try:
                if not activated:
                    await self.activate()
                    activated = True
                worked = await self.step()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("sweep waits: %s", type(error).__name__)
            if not worked:
                await asyncio.sleep(0.5)

    async def activate(self) -> None:
        """Have the set that came with this release decide, unless an operator has chosen one."""
        async with self._parts.transaction(ACTOR) as tx:
            await registry.change(tx.db)
            newest = await policy_sets.newest(tx.db)
            if newest is None or newest.origin == "release":
                await activate(self._judge.packaged, "release", tx)

    async def step(self) -> bool:
        """Decide what expired, or the next batch of the oldest sweep; whether there was anything."""
        return await self._expired() or await self._next_batch()

    async def _expired(self) -> bool:
        async with self._parts.transaction(ACTOR) as tx:
            persons = await feeds.expired(tx.db, tx.now, self._batch)
            if not persons:
                return False
            await cases.lock(tx.db, persons)
            await decide_persons(persons, tx, self._judge)
        return True

    async def _next_batch(self) -> bool:
        async with self._parts.transaction(ACTOR) as tx:
            sweep = await registry.next_sweep(tx.db)
            if sweep is None:
                return False
            persons = await cases.persons_after(tx.db, sweep.next_person, self._batch)
            await cases.lock(tx.db, persons)
            await decide_persons(persons, tx, self._judge)
            done = len(persons) < self._batch
            last = persons[-1] if persons else sweep.next_person
            await registry.advance_sweep(tx.db, sweep.sweep_id, last, len(persons), done=done)
            log.info("sweep", extra={"reason": sweep.reason, "persons": len(persons), "done": done})
        return True
