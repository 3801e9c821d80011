"""``python -m bench.run [--quick] [--only HOP] [--profile]``: the table, and build/bench/report.json."""

import argparse
import asyncio
import json
import os
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.kafka import start_kafka
from homeward.common import telemetry

from . import consuming, importing, reading, relaying, sequencing
from .ground import Ground, open_ground
from .pairs import Hop, measure, profile

REPORT = Path("build/bench/report.json")
PAIRS = 7
PROFILE_LINES = 40


class NotHere(Exception):
    """A server that a hop needs cannot be had on this machine; the message says why."""


@asynccontextmanager
async def relay_on_kafka(ground: Ground) -> AsyncIterator[Hop]:
    """Kafka runs for its own hop only: it takes memory and a core to start."""
    try:
        kafka = await asyncio.to_thread(start_kafka)
    except pytest.skip.Exception as reason:
        raise NotHere(str(reason)) from None
    try:
        async with relaying.on_kafka(ground, kafka.bootstrap) as hop:
            yield hop
    finally:
        await asyncio.to_thread(kafka.stop)


HOPS: Mapping[str, Callable[[Ground], AbstractAsyncContextManager[Hop]]] = {
    "import": importing.hop,
    "relay-embedded": relaying.embedded,
    "relay-kafka": relay_on_kafka,
    "consumer": consuming.hop,
    "audit": sequencing.hop,
    "feed": reading.hop,
}


async def run(names: list[str], ground: Ground, *, profiling: bool) -> dict[str, Any]:
    """Measure, or profile, hop by hop; what the report says."""
    results, left_out = [], {}
    for name in names:
        try:
            async with HOPS[name](ground) as hop:
                if profiling:
                    seen = await profile(hop)
                    seen.dump_stats(REPORT.with_name(f"{name}.prof"))
                    seen.sort_stats("tottime").print_stats(PROFILE_LINES)
                    seen.sort_stats("cumulative").print_stats("homeward|harness", PROFILE_LINES)
                    continue
                result = (await measure(hop, PAIRS)).summary()
        except NotHere as reason:
            left_out[name] = str(reason)
            print(f"{name}: left out, {reason}")
            continue
        results.append(result)
        print(_line(result), flush=True)
    return {"hops": results, "left_out": left_out}


def _line(result: Mapping[str, Any]) -> str:
    rates = f"{result['ours_per_second']:>9,} {result['floor_per_second']:>9,} {result['unit'] + '/s':<10}"
    spread = f"({result['ratio_min']:.0%}–{result['ratio_max']:.0%})"
    return f"{result['hop']:<22} {rates} {result['ratio']:>5.0%} {spread}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few units a run: whether it works, not how fast"
    )
    parser.add_argument("--only", choices=HOPS, action="append", help="this hop; may be given several times")
    parser.add_argument("--profile", action="store_true", help="print where our side spends its time instead")
    chosen = parser.parse_args()
    # As every service's entry point does: spans are made, and cost, whether they are sent or not.
    telemetry.configure("bench", None)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    if not chosen.profile:
        print(f"{'hop':<22} {'ours':>9} {'floor':>9} {'':<10} ratio (min–max of {PAIRS} pairs)")
    with open_ground(chosen.quick) as ground:
        measured = asyncio.run(run(chosen.only or list(HOPS), ground, profiling=chosen.profile))
    if chosen.profile:
        return
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_average": round(os.getloadavg()[0], 1),
        "quick": chosen.quick,
        "pairs": PAIRS,
    }
    REPORT.write_text(json.dumps(about | measured, indent=2) + "\n")
    print(f"written to {REPORT}")


if __name__ == "__main__":
    main()
