"""Five hundred partners' programs that follow a feed and hear nothing, then all of one event, on the whole
platform. ``python -m bench.run --only streams``."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from homeward.client.session import Session
from homeward.onebox.demo.partners import CONSENTS

from .ground import Ground
from .latency import whole_platform

STREAMS, QUICK = 500, 50
AT_ONCE = 50
"""More requests than a process takes at once would be turned away."""
GOAL_BYTES = 300 << 20
GOAL_SECONDS = 1.0
PATH = "/v1/events/stream"
PATIENCE = 60.0
NAME = "Person streamed"


def measure(ground: Ground) -> dict[str, Any]:
    """What the report says of it."""
    with whole_platform(ground, "streaming") as (platform, sender, partner):
        role = ("exchange", "serve")
        count = QUICK if ground.quick else STREAMS
        return asyncio.run(_followed(platform.url_of(role), platform.pid_of(role), partner, sender, count))


async def _followed(url: str, pid: int, partner: Session, sender: Session, count: int) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE, limits=limits) as client:
        alone = _resident(pid)
        following = []
        for start in range(0, count, AT_ONCE):
            opened = [asyncio.Event() for _ in range(min(AT_ONCE, count - start))]
            following += [asyncio.create_task(_follow(client, url, partner, one)) for one in opened]
            await asyncio.wait_for(asyncio.gather(*(one.wait() for one in opened)), PATIENCE)
        idle = _resident(pid)
        report = {"full_name": NAME, "consents": [CONSENTS[-1]]}
        await asyncio.to_thread(sender.post, "/v1/reports", report)
        heard = await asyncio.wait_for(asyncio.gather(*following), PATIENCE)
    return {
        "hop": "streams",
        "streams": count,
        "idle_bytes": idle,
        "without_streams_bytes": alone,
        "first_to_last_seconds": round(max(heard) - min(heard), 3),
        "goal_bytes": GOAL_BYTES,
        "goal_seconds": GOAL_SECONDS,
        "met": idle <= GOAL_BYTES and max(heard) - min(heard) <= GOAL_SECONDS,
    }


async def _follow(client: httpx.AsyncClient, url: str, partner: Session, opened: asyncio.Event) -> float:
    """When the report's event came."""
    while True:
        async with client.stream("GET", f"{url}{PATH}", headers=partner.headers("GET", PATH)) as answer:
            if answer.status_code == 503:  # busy, or feeds pause
                await asyncio.sleep(0.5)
                continue
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                opened.set()
                if line.startswith("data:") and NAME in json.dumps(json.loads(line[5:]), ensure_ascii=False):
                    return asyncio.get_running_loop().time()
            raise AssertionError("the stream ended")


def _resident(pid: int) -> int:
    """Bytes of a process's memory that are its own."""
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = [text.split()[1] for text in status.splitlines() if text.startswith("VmRSS")]
    return int(kilobytes) << 10


def line(result: Mapping[str, Any]) -> str:
    """The table's line."""
    memory = f"{result['idle_bytes'] >> 20} MB idle ({result['without_streams_bytes'] >> 20} without)"
    told = f"an event reaches all within {result['first_to_last_seconds']:.2f} s of the first"
    goals = f"goals {GOAL_BYTES >> 20} MB, {GOAL_SECONDS:.0f} s"
    met = "met" if result["met"] else "NOT MET"
    return f"{result['streams']} streams: {memory}; {told}; {goals}: {met}"
