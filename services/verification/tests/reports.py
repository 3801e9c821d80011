"""Reports for tests; everybody in them is made up."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from harness.world import World
from homeward.common.contracts import ReportReceived
from homeward.common.ids import new_id
from homeward.common.parts import Service


def report(**said: Any) -> ReportReceived:
    """A report with these fields, of a person who is like nobody else in the ways not said."""
    return ReportReceived.model_validate(
        {
            "report_id": new_id(),
            "reporter_id": new_id(),
            "kind": "missing",
            "received_at": datetime(2025, 1, 7, 9, 0, tzinfo=UTC),
            "channel": "list",
            "narrative": "Told of a job in Bangkok; last call on 3 January.",
            "reporter_contact": "+86 10 5555 0100",
            **said,
        }
    )


ID_NUMBER = "11010119900307123X"


async def person_of(world: World, service: Service, about: ReportReceived) -> UUID | None:
    """Whom a report is linked to."""
    found = await world.execute(
        service,
        "SELECT person_id FROM links WHERE report_id = :report_id AND ended_at IS NULL",
        report_id=about.report_id,
    )
    return found[0][0] if found else None


async def count(world: World, service: Service, table: str) -> int:
    """Rows of a table."""
    rows: list[sa.Row[Any]] = list(await world.execute(service, f"SELECT count(*) FROM {table}"))
    return int(rows[0][0])
