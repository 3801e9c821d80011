"""A list through intake's HTTP application, beside sealing its rows and copying them in."""

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from homeward.common.contracts import ReportReceived
from homeward.common.sealing import Draft, seal
from homeward.intake.app import create_service
from homeward.intake.settings import Settings
from homeward.onebox.demo.partners import CONSENTS

from .ground import OUTBOX, Ground, connection, copy, rows_of, usable_cells
from .pairs import Hop, Meter

REPORTS = (
    "report_id, reporter_id, event_id, organisation, row_key, row_fingerprint, receipt_hash, received_at"
)


@asynccontextmanager
async def hop(ground: Ground) -> AsyncIterator[Hop]:
    """One request with all rows; floor: seal with the keys in hand, COPY reports and outbox, commit."""
    cells = usable_cells(ground.count(2_000, 300))
    async with ground.world("importing") as world, connection(world) as db:
        service = await world.start(create_service, Settings)
        async with world.client(service, "reports:write") as client:
            upload = {"file": ("list.csv", _as_csv(cells), "text/csv")}

            async def ours(meter: Meter) -> None:
                await db.execute("TRUNCATE reports, outbox RESTART IDENTITY")
                request = client.build_request(
                    "POST",
                    "/v1/reports/import",
                    files=upload,
                    data={"list": "bench", "consents": json.dumps(CONSENTS)},
                )
                with meter:
                    answer = await client.send(request)
                assert answer.json()["accepted"] == len(cells), answer.text[:500]

            await ours(Meter())
            report_rows = await rows_of(db, "reports", REPORTS, "event_id")
            outbox_rows = await rows_of(db, "outbox", OUTBOX, "position")
            events = await world.said(service, ReportReceived)
            ids = [row[0] for row in outbox_rows]
            drafts = [Draft(i, event, "intake") for i, event in zip(ids, events, strict=True)]
            subjects = sorted(set().union(*(draft.subjects for draft in drafts)))
            keys = await world.keyring.class_keys(subjects, create=False)

            async def floor(meter: Meter) -> None:
                await db.execute("TRUNCATE reports, outbox RESTART IDENTITY")
                with meter:
                    values = (
                        seal(Draft(i, event, "intake"), keys) for i, event in zip(ids, events, strict=True)
                    )
                    sealed = [
                        (*row[:5], value, row[6]) for row, value in zip(outbox_rows, values, strict=True)
                    ]
                    async with db.transaction():
                        await copy(db, "reports", REPORTS, report_rows)
                        await copy(db, "outbox", OUTBOX, sealed)

            yield Hop("import", "rows", len(cells), ours, floor, 0.4, 1_000)


def _as_csv(cells: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(cells[0]))
    writer.writeheader()
    writer.writerows(cells)
    return out.getvalue().encode()
