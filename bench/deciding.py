"""Deciding alone: what ten agencies are to be told of the list's events, in all classes, from facts that are
at hand. ``python -m bench.run --only deciding``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import cycle
from time import perf_counter
from typing import Any

import uvloop

from homeward.common.contracts import FieldClass
from homeward.exchange.app import create_service
from homeward.exchange.changes import Changes
from homeward.exchange.domain import CaseEvent, CaseFile, Partner
from homeward.exchange.judge import Judge
from homeward.exchange.policies import PolicySet
from homeward.exchange.settings import Settings
from homeward.exchange.store import cases

from .ground import Ground
from .reading import fill

AGENCIES, RUNS = 10, 7
NOW = datetime(2025, 1, 7, 9, 30, tzinfo=UTC)
GOAL = 2_000
"""Events a second on one core. Cedar asked afresh each time decides about a hundred."""
KINDS = (
    "NGO",
    "LawEnforcement",
    "CentralGovernmentOrganisation",
    "LegalService",
    "HealthServiceOrganisation",
)
PURPOSES = ("assistance", "search", "identification")
Facts = list[tuple[CaseFile, list[CaseEvent]]]


def measure(ground: Ground) -> dict[str, Any]:
    """What the report says of it: the slowest of some runs, each with nothing remembered."""
    facts = uvloop.run(_facts(ground))
    events = sum(len(some) for _, some in facts)
    rates, asked = [], 0
    for _ in range(RUNS):
        judge = Judge(PolicySet.packaged(), "THA")
        began = perf_counter()
        answers = judge.answers(_partners())
        run = Changes(answers, judge.policies.digest, {}, NOW)
        for file, some in facts:
            for event in some:
                run.decide(file, event)
        rates.append(events / (perf_counter() - began))
        asked = len(answers)
    slowest = round(min(rates))
    return {
        "hop": "deciding",
        "events": events,
        "agencies": AGENCIES,
        "classes": len(FieldClass),
        "situations": asked,
        "events_per_second": slowest,
        "goal_per_second": GOAL,
        "met": slowest >= GOAL,
    }


async def _facts(ground: Ground) -> Facts:
    async with ground.world("deciding") as world:
        service = await world.start(create_service, Settings)
        await fill(world, service, ground.count(1_800, 150))
        async with service.parts.engine.connect() as db:
            ids = [row.person_id for row in await world.execute(service, "SELECT person_id FROM persons")]
            events = await cases.events_of(db, ids)
            return [(file, events.get(file.person_id, [])) for file in await cases.case_files(db, ids)]


def _partners() -> list[Partner]:
    kinds, purposes = cycle(KINDS), cycle(PURPOSES)
    return [
        Partner(
            agency=f"agency-{number}",
            kind=next(kinds),
            country="CHN" if number % 3 else "THA",
            data_home="CHN" if number % 3 else "THA",
            purposes=(next(purposes),),
            clearance=tuple(FieldClass),
            accredited=number % 2 == 0,
            suspended=False,
            revision=1,
        )
        for number in range(AGENCIES)
    ]


def line(result: Mapping[str, Any]) -> str:
    """The table's line."""
    asked = f"{result['situations']} situations among {result['events']} events"
    met = "met" if result["met"] else "NOT MET"
    rate = f"{result['events_per_second']:,} events/s for {AGENCIES} agencies × {result['classes']} classes"
    return f"deciding: {rate} ({asked}), goal {GOAL:,}: {met}"
