"""A restored database of verification: what it had said is read again, then the reports come again."""

from dataclasses import replace

from harness.world import World
from homeward.common.contracts import PersonRegistered, ReportLinked
from homeward.common.parts import Service

from .reports import ID_NUMBER, person_of, report


async def test_reports_that_come_again_in_another_order_stand_in_the_old_one(
    world: World, service: Service
) -> None:
    reports = [report(id_number=ID_NUMBER) for _ in range(4)]
    for one in reports:
        await world.deliver(service, one)
        world.pass_time(minutes=1)
    person_id = await person_of(world, service, reports[0])
    said = await world.said(service, PersonRegistered, ReportLinked)
    for table in ("links", "reports", "persons", "inbox"):
        await world.execute(service, f"DELETE FROM {table}")

    restoring = replace(service, consumers=service.restores)
    for event in said:
        await world.deliver(restoring, event)
        world.pass_time(minutes=1)
    await world.deliver(service, *reversed(reports))

    async with world.client(service, "persons:read") as http:
        shown = (await http.get(f"/v1/persons/{person_id}")).json()
    assert shown["report_ids"] == [str(one.report_id) for one in reports]
