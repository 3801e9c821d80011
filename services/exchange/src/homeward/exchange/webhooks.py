"""Telling partners of their events at addresses of theirs: one event a message, in the order of the feed.

Each attempt is a read: decided again and recorded before a byte leaves. What does not arrive is sent again,
later and later, for days; what comes behind it waits, so that order holds.
"""

import asyncio
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from homeward.common.db import is_transient
from homeward.common.idempotency import lookup_key
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.common.sealing import canonical

from . import outbound, signing
from .feed import Page
from .judge import Judge
from .outbound import NotSent
from .pseudonyms import Place
from .reading import Reading
from .settings import Settings
from .store import webhooks

log = logging.getLogger(__name__)
ACTOR = "service:exchange"
AT_ONCE = 16
EVENTS_A_TURN = 20
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 8 * 3600.0
GONE, FAILING, RESTORED = "gone", "failing", "feed-restored"
FULL, IDS = "full", "ids"


@dataclass
class Webhooks:
    """The background loop of the ``consume`` role that sends them."""

    parts: Parts
    judge: Judge
    settings: Settings

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop``. Who is slow keeps nobody else waiting, as long as there is a place."""
        turns: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                due: Sequence[Any] = ()
                try:
                    due = await self.due(AT_ONCE - len(turns))
                except Exception as error:
                    if not is_transient(error):
                        raise
                    log.warning("webhooks wait: %s", type(error).__name__)
                turns |= {asyncio.create_task(self.turn(row)) for row in due}
                await asyncio.sleep(0 if due else 0.5)
                for turn in {turn for turn in turns if turn.done()}:
                    turns.discard(turn)
                    turn.result()
        finally:
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)

    async def due(self, most: int) -> Sequence[Any]:
        """Webhooks whose turn it is, at most so many; nobody else has them now."""
        if most <= 0:
            return ()
        async with self.parts.engine.begin() as db:
            return await webhooks.take(db, self.parts.clock(), self._until(), most)

    async def turn(self, row: Any) -> None:
        """Send some of what there is to send, and note how it went."""
        try:
            outcome = await self._turn(row)
            async with self.parts.engine.begin() as db:
                await webhooks.change(db, row.agency, row.revision, **outcome)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("webhook waits: %s", type(error).__name__)  # until nobody has it any more

    async def _turn(self, row: Any) -> dict[str, Any]:
        place, failures, since = Place(row.epoch, row.seq), row.failures, row.failing_since
        try:
            for _ in range(EVENTS_A_TURN):
                page = await self._reading(row.agency).page(place, 1)
                if not page.events:
                    break
                await self._send(row, page)
                place, failures, since = page.last, 0, None
                async with self.parts.engine.begin() as db:
                    if not await webhooks.progress(db, row.agency, row.revision, place.seq, self._until()):
                        break
        except NotSent as error:
            return self._failed(error.slug, failures, since)
        except Problem as problem:
            if problem.status == 410:
                return {"disabled": RESTORED}
            # Suspended meanwhile, or feeds pause.
            return {"next_attempt_at": self.parts.clock() + timedelta(seconds=FIRST_PAUSE)}
        return {"next_attempt_at": self.parts.clock()}

    def _until(self) -> datetime:
        """How long a webhook is ours, should we not say that we are done."""
        return self.parts.clock() + timedelta(seconds=3 * self.settings.webhook_seconds)

    def _failed(self, problem: str, failures: int, since: datetime | None) -> dict[str, Any]:
        now, failures = self.parts.clock(), failures + 1
        since = since or now
        outcome: dict[str, Any] = {"last_problem": problem, "failures": failures, "failing_since": since}
        if problem == "status-410":
            return {**outcome, "disabled": GONE}
        if now - since >= timedelta(seconds=self.settings.webhook_give_up_seconds):
            return {**outcome, "disabled": FAILING}
        return {**outcome, "next_attempt_at": now + timedelta(seconds=pause(failures))}

    async def _send(self, row: Any, page: Page) -> None:
        [(_, event)] = page.events
        message = json.loads(event)
        body = canonical({k: v for k, v in message.items() if k != "data"}) if row.payload == IDS else event
        await self.deliver(row, message["id"], body)

    async def deliver(self, row: Any, message_id: str, body: bytes) -> None:
        """Send one message to a webhook; NotSent, unless it is answered by a 2xx."""
        now = self.parts.clock()
        signed_by = [row.secret_id]
        if row.former_secret_id and row.former_until > now:
            signed_by.append(row.former_secret_id)
        async with self.parts.transaction(ACTOR) as tx:
            key = await lookup_key(tx)
        secrets = [signing.secret_of(key, row.agency, secret_id) for secret_id in signed_by]
        status = await outbound.post(
            row.url,
            body,
            signing.headers(secrets, message_id, now, body),
            networks=self.settings.webhook_networks,
            seconds=self.settings.webhook_seconds,
        )
        if not 200 <= status < 300:
            raise NotSent(f"status-{status}")

    def _reading(self, agency: str) -> Reading:
        return Reading(self.parts, self.judge, agency, ACTOR, self.settings.feed_pause_seconds)


def pause(failures: int) -> float:
    """Seconds until the next attempt after so many that failed: five, and four times as long each time up
    to eight hours; some of it by chance, so that not all come at once when a receiver is back."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 4 ** min(failures - 1, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311
