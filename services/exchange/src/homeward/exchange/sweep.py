"""Deciding again in the background, in batches: everything, after a partner came or a policy changed;
and what rested on a consent that has ended.

Reads do not wait for it: a release that rests on older revisions, or on a consent that has ended, is
decided again when it is read. But who has read it already is told by a retraction alone.
"""

import asyncio
import logging

from homeward.common.contracts import PolicyActivated
from homeward.common.db import is_transient
from homeward.common.parts import Parts

from .decide import PoliciesSuperseded, decide_persons
from .judge import Judge
from .store import cases, feeds
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
        """Sweep until ``stop``. Ends with PoliciesSuperseded when another process has activated other
        policies: ours are old, or, if they are to decide after all, activated again at the next start."""
        activated = False
        while not stop.is_set():
            worked = False
            try:
                if not activated:
                    await self.activate()
                    activated = True
                worked = await self.step()
            except PoliciesSuperseded:
                raise
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("sweep waits: %s", type(error).__name__)
            if not worked:
                await asyncio.sleep(0.5)

    async def activate(self) -> None:
        """Record our policy set if another decided before, and have everything decided by it."""
        policies = self._judge.policies
        async with self._parts.transaction(ACTOR) as tx:
            await registry.change(tx.db)
            before = await registry.active_policies(tx.db)
            if before == policies.digest:
                return
            await registry.activate_policies(tx.db, policies.digest, policies.ids, tx.now)
            tx.emit(PolicyActivated(digest=policies.digest, policies=policies.ids))
            if before is not None:
                await registry.start_sweep(tx.db, "policy")

    async def step(self) -> bool:
        """Decide what expired, or the next batch of the oldest sweep; whether there was anything."""
        async with self._parts.engine.connect() as db:
            if await registry.policies_superseded(db, self._judge.policies.digest):
                raise PoliciesSuperseded("another policy set is active")
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
            await registry.advance_sweep(tx.db, sweep.sweep_id, last, done=done)
            log.info("sweep", extra={"reason": sweep.reason, "persons": len(persons), "done": done})
        return True
