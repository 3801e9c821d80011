"""Deciding everything again in the background, in batches: after a partner came or a policy changed.

Reads do not wait for it: a release that rests on older revisions is decided again when it is read.
"""

import asyncio
import logging

from homeward.common.contracts import PolicyActivated
from homeward.common.db import is_transient
from homeward.common.parts import Parts

from .decide import Judge, decide_persons
from .store import cases
from .store import partners as registry

log = logging.getLogger(__name__)
BATCH = 200


class Sweeper:
    """The background loop of the ``consume`` role."""

    def __init__(self, parts: Parts, judge: Judge) -> None:
        self._parts = parts
        self._judge = judge

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until ``stop``."""
        activated = False
        while not stop.is_set():
            try:
                if not activated:
                    await self.activate()
                    activated = True
                worked = await self.step()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("sweep waits: %s", type(error).__name__)
                worked = False
            if not worked:
                await asyncio.sleep(0.5)

    async def activate(self) -> None:
        """Record our policy set if another decided before, and have everything decided by it."""
        policies = self._judge.policies
        async with self._parts.transaction("service:exchange") as tx:
            before = await registry.active_policies(tx.db)
            if before == policies.digest:
                return
            await registry.activate_policies(tx.db, policies.digest, policies.ids, tx.now)
            tx.emit(PolicyActivated(digest=policies.digest, policies=policies.ids))
            if before is not None:
                await registry.start_sweep(tx.db, "policy")

    async def step(self) -> bool:
        """Decide the next batch of the oldest sweep; whether there was one."""
        async with self._parts.transaction("service:exchange") as tx:
            sweep = await registry.next_sweep(tx.db)
            if sweep is None:
                return False
            persons = await cases.persons_after(tx.db, sweep.next_person, BATCH)
            await cases.lock(tx.db, persons)
            await decide_persons(persons, tx, self._judge)
            done = len(persons) < BATCH
            last = persons[-1] if persons else sweep.next_person
            await registry.advance_sweep(tx.db, sweep.sweep_id, last, done=done)
            log.info("sweep", extra={"reason": sweep.reason, "persons": len(persons), "done": done})
        return True
