"""Pairs: our way and its floor in turn, so that whatever else the machine does slows both."""

from collections.abc import Awaitable, Callable
from cProfile import Profile
from dataclasses import dataclass
from pstats import Stats
from statistics import median
from time import perf_counter
from typing import Any, Self

from homeward.common.main import collect_seldom


class Meter:
    """Times the part of a run that counts, entered as a context; a profiler watches that part alone."""

    def __init__(self, profiler: Profile | None = None) -> None:
        self.seconds = 0.0
        self._profiler = profiler

    def __enter__(self) -> Self:
        if self._profiler:
            self._profiler.enable()
        self._began = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._began
        if self._profiler:
            self._profiler.disable()


Run = Callable[[Meter], Awaitable[None]]
"""Clears what the last run left, prepares, and does the work inside the meter, on warm connections."""


@dataclass(frozen=True)
class Hop:
    """One part of an event's way, and the least that any way of doing the same must do."""

    name: str
    unit: str
    count: int
    """Units of one run; the same for both."""
    ours: Run
    floor: Run
    goal: float | None = None
    """The ratio it is to have."""
    goal_rate: int | None = None
    """Units a second it is to have, whatever the floor."""


@dataclass(frozen=True)
class Result:
    """Seconds of every pair."""

    hop: Hop
    pairs: list[tuple[float, float]]
    """(ours, floor)."""

    @property
    def ratios(self) -> list[float]:
        """Ours as a share of the floor's rate, pair by pair."""
        return [floor / ours for ours, floor in self.pairs]

    def _met(self, ratio: float, rate: float) -> bool | None:
        if self.hop.goal is None:
            return None
        return ratio >= self.hop.goal and rate >= (self.hop.goal_rate or 0)

    def summary(self) -> dict[str, Any]:
        """What the report says."""
        ours, floor = zip(*self.pairs, strict=True)
        return {
            "hop": self.hop.name,
            "unit": self.hop.unit,
            "count": self.hop.count,
            "ours_per_second": round(self.hop.count / median(ours)),
            "floor_per_second": round(self.hop.count / median(floor)),
            "ratio": round(median(self.ratios), 3),
            "ratio_min": round(min(self.ratios), 3),
            "ratio_max": round(max(self.ratios), 3),
            "goal": self.hop.goal,
            "goal_per_second": self.hop.goal_rate,
            "met": self._met(median(self.ratios), self.hop.count / median(ours)),
            "seconds": [{"ours": round(o, 4), "floor": round(f, 4)} for o, f in self.pairs],
        }


async def measure(hop: Hop, pairs: int) -> Result:
    """That many pairs after one that does not count; who goes first alternates."""
    await _warm(hop)
    found = []
    for number in range(pairs):
        if number % 2:
            floor = await _timed(hop.floor)
            found.append((await _timed(hop.ours), floor))
        else:
            ours = await _timed(hop.ours)
            found.append((ours, await _timed(hop.floor)))
    return Result(hop, found)


async def profile(hop: Hop) -> Stats:
    """Where our way spends its time, waiting for the database and the broker included."""
    await _warm(hop)
    profiler = Profile()
    await hop.ours(Meter(profiler))
    return Stats(profiler)


async def _warm(hop: Hop) -> None:
    await hop.ours(Meter())
    await hop.floor(Meter())
    collect_seldom()  # as a service's process does when it starts; what was prepared is many objects


async def _timed(run: Run) -> float:
    meter = Meter()
    await run(meter)
    return meter.seconds
