"""Reports through intake's HTTP application, beside sealing them and copying them in."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import httpx

from homeward.common.contracts import ReportReceived
from homeward.common.sealing import Draft, seal
from homeward.intake.app import create_service
from homeward.intake.settings import Settings
from homeward.onebox.demo.partners import CONSENTS

from .ground import OUTBOX, Ground, batches, connection, copy, rows_of, usable_cells
from .pairs import Hop, Meter

REPORTS = (
    "report_id, reporter_id, event_id, organisation, row_key, row_fingerprint, receipt_hash, received_at"
)
Cells = dict[str, str]


class Way(NamedTuple):
    """How reports are handed in: so many a request, as they are asked for."""

    name: str
    rows: int
    """Altogether."""
    at_once: int
    request: Callable[[httpx.AsyncClient, Sequence[Cells]], httpx.Request]
    goal: float | None = None
    goal_rate: int | None = None


def hop_of(way: Way) -> Callable[[Ground], AbstractAsyncContextManager[Hop]]:
    """Request by request; floor, for each: seal with the keys in hand, COPY reports and outbox, commit."""

    @asynccontextmanager
    async def hop(ground: Ground) -> AsyncIterator[Hop]:
        groups = list(batches(usable_cells(ground.count(way.rows, way.rows // 6)), way.at_once))
        count = sum(map(len, groups))
        name = f"intake_{way.at_once}"
        async with ground.world(name) as world, connection(world) as db:
            service = await world.start(create_service, Settings)
            async with world.client(service, "reports:write") as client:

                async def ours(meter: Meter) -> None:
                    await db.execute("TRUNCATE reports, outbox RESTART IDENTITY")
                    requests = [way.request(client, group) for group in groups]
                    with meter:
                        answers = [await client.send(request) for request in requests]
                    assert sum(_accepted(answer) for answer in answers) == count

                await ours(Meter())
                report_rows = await rows_of(db, "reports", REPORTS, "event_id")
                outbox_rows = await rows_of(db, "outbox", OUTBOX, "position")
                events = await world.said(service, ReportReceived)
                ids = [row[0] for row in outbox_rows]
                drafts = [Draft(i, event, "intake") for i, event in zip(ids, events, strict=True)]
                subjects = sorted(set().union(*(draft.subjects for draft in drafts)))
                keys = await world.keyring.class_keys(subjects, create=False)
                work = list(zip(report_rows, outbox_rows, events, strict=True))

                async def floor(meter: Meter) -> None:
                    await db.execute("TRUNCATE reports, outbox RESTART IDENTITY")
                    with meter:
                        for part in batches(work, way.at_once):
                            sealed = [
                                (*row[:5], seal(Draft(row[0], event, "intake"), keys), row[6])
                                for _, row, event in part
                            ]
                            async with db.transaction():
                                await copy(db, "reports", REPORTS, [report for report, _, _ in part])
                                await copy(db, "outbox", OUTBOX, sealed)

                yield Hop(way.name, "rows", count, ours, floor, way.goal, way.goal_rate)

    return hop


def _accepted(answer: httpx.Response) -> int:
    assert answer.status_code == 201, answer.text[:500]
    accepted: int = answer.json()["accepted"]
    return accepted


def _list(client: httpx.AsyncClient, cells: Sequence[Cells]) -> httpx.Request:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(cells[0]))
    writer.writeheader()
    writer.writerows(cells)
    upload = {"file": ("list.csv", out.getvalue().encode(), "text/csv")}
    stated = {"list": "bench", "consents": json.dumps(CONSENTS)}
    return client.build_request("POST", "/v1/reports/import", files=upload, data=stated)


def _reports(client: httpx.AsyncClient, cells: Sequence[Cells]) -> httpx.Request:
    said = [_as_report(one) for one in cells]
    return client.build_request("POST", "/v1/reports", json=said if len(said) > 1 else said[0])


def _as_report(cells: Cells) -> dict[str, Any]:
    several = {"citizenship", "alternate_names"}
    said: dict[str, Any] = {
        name: text.split(";") if name in several else text for name, text in cells.items() if text
    }
    return said | {"consents": CONSENTS}


LIST = Way("import", 2_000, 2_000, _list, 0.4, 1_000)
BATCH = Way("intake, batch of 100", 1_200, 100, _reports)
SINGLE = Way("intake, single", 120, 1, _reports)
