"""``python -m bench.run [--quick] [--only HOP] [--profile]``: the table, and build/bench/report.json."""

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import uvloop

from homeward.common import telemetry

from . import consuming, deciding, importing, latency, reading, relaying, sequencing, streaming
from .ground import Ground, NotHere, open_ground
from .pairs import Hop, measure, profile

REPORT = Path("build/bench/report.json")
PAIRS = 7
PROFILE_LINES = 40
WHOLE: Mapping[str, ModuleType] = {"deciding": deciding, "latency": latency, "streams": streaming}
"""What is measured on the whole platform, beside no floor."""


HOPS: Mapping[str, Callable[[Ground], AbstractAsyncContextManager[Hop]]] = {
    "single": importing.hop_of(importing.SINGLE),
    "batch": importing.hop_of(importing.BATCH),
    "import": importing.hop_of(importing.LIST),
    "relay-embedded": relaying.embedded,
    "relay-kafka": relaying.on_kafka,
    "verification": consuming.hop_of(consuming.VERIFICATION),
    "matching": consuming.hop_of(consuming.MATCHING),
    "referral": consuming.hop_of(consuming.REFERRAL),
    "exchange": consuming.hop_of(consuming.EXCHANGE),
    "audit": sequencing.hop,
    "feed": reading.warm,
    "feed-cold": reading.cold,
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
    goal = "" if result["goal"] is None else f"{result['goal']:.0%}"
    if result["goal_per_second"]:
        goal += f", {result['goal_per_second']:,}/s"
    met = {None: "", True: "met", False: "NOT MET"}[result["met"]]
    return f"{result['hop']:<24} {rates} {result['ratio']:>5.0%} {spread:<12} {goal:<12} {met}"


def _whole(part: ModuleType, ground: Ground) -> dict[str, Any]:
    try:
        result: dict[str, Any] = part.measure(ground)
    except NotHere as reason:
        return {"left_out": str(reason)}
    print(part.line(result), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few units a run: whether it works, not how fast"
    )
    parser.add_argument(
        "--only", choices=[*HOPS, *WHOLE], action="append", help="this hop; may be given several times"
    )
    parser.add_argument("--profile", action="store_true", help="print where our side spends its time instead")
    chosen = parser.parse_args()
    # As every service's entry point does: spans are made, and cost, whether they are sent or not.
    telemetry.configure("bench", None)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    if not chosen.profile:
        print(f"{'hop':<24} {'ours':>9} {'floor':>9} {'':<10} ratio (of {PAIRS} pairs) goal")
    names = chosen.only or [*HOPS, *WHOLE]
    with open_ground(chosen.quick) as ground:
        hops = [name for name in names if name in HOPS]
        measured = uvloop.run(run(hops, ground, profiling=chosen.profile))
        if chosen.profile:
            return
        for name in [name for name in names if name in WHOLE]:
            measured[name] = _whole(WHOLE[name], ground)
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
