"""Ten times as much as can be taken: memory stays bounded, whoever is accepted arrives, the rest are told."""

from __future__ import annotations

import asyncio
import os

from harness.accounting import Accounting
from harness.flood import Flood, largest_memory
from harness.platform import Platform
from homeward.client.lists import Imported
from homeward.client.session import Session

SECONDS = float(os.environ.get("HOMEWARD_FLOOD_SECONDS", "4"))
"""Of the flood; 300 for the long form, which then takes most of an hour to work off what it accepted."""
MOST_MEMORY = 600 << 20
"""Bytes of any one process of the platform: most of a hundred are the interpreter and its libraries."""


def test_a_flood_is_turned_away_without_losing_what_was_accepted(
    platform: Platform, staff: dict[str, Session]
) -> None:
    accounting = Accounting(platform, staff, "flood-test-ngo")
    intake = platform.url_of(("intake", "serve"))
    flood = Flood(staff["caseworker"], intake, accounting.consents)
    largest = asyncio.run(ten_times_too_much(flood, [platform.pid_of(role) for role in platform.roles]))
    assert largest < MOST_MEMORY
    assert flood.unanswered == 0, "nobody is left without an answer"
    assert flood.answers.keys() <= {201, 429, 503}
    assert flood.answers[201] < sum(flood.answers.values()), "it was too much"
    assert flood.without_retry_after == 0, "and who was turned away knows when to come again"
    done = Imported(rows=flood.accepted, accepted=flood.accepted)
    accounting.check(done, rows=flood.accepted, limit=180 + 20 * SECONDS)


async def ten_times_too_much(flood: Flood, pids: list[int]) -> int:
    """Find out what can be taken, send ten times that; the largest memory of any process meanwhile."""
    rate = await flood.fill(2)
    pouring = asyncio.ensure_future(flood.pour(10 * max(rate, 1), SECONDS))
    return await largest_memory(pids, pouring)
