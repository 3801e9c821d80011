"""What makes of verification's own events the persons, links and statuses they tell of, in a restored
database. The reports themselves come again from intake; until then it is noted whom they are about."""

from collections.abc import Mapping
from uuid import UUID

from homeward.common.contracts import Event, PersonRegistered, ReportLinked, ReportUnlinked, StatusAsserted
from homeward.common.contracts.verification import LinkBasis
from homeward.common.parts import Handler
from homeward.common.tx import Tx

from . import matching_index as index
from . import store


async def on_person_registered(event: PersonRegistered, tx: Tx) -> None:
    """The person is there again, by the report that founded it."""
    await _add_person(event.person_id, tx)
    await _is_about(event.report_id, event.person_id, None, tx)


async def on_report_linked(event: ReportLinked, tx: Tx) -> None:
    """The report is about the person again."""
    await _is_about(event.report_id, event.person_id, event.basis, tx)


async def on_report_unlinked(event: ReportUnlinked, tx: Tx) -> None:
    """The report is about the other person again."""
    await _add_person(event.new_person_id, tx)
    await _is_about(event.report_id, event.new_person_id, None, tx)


async def on_status_asserted(event: StatusAsserted, tx: Tx) -> None:
    """The assertion stands again."""
    incoming = tx.handled
    await store.add_status(
        tx.db,
        assertion_id=event.assertion_id,
        person_id=event.person_id,
        event_id=incoming.envelope.id,
        trafficking_status=event.trafficking_status,
        deciding_organisation=event.deciding_organisation,
        actor=incoming.envelope.actor,
        asserted_at=event.asserted_at or incoming.envelope.time,
    )


async def _add_person(person_id: UUID, tx: Tx) -> None:
    if await store.person(tx.db, person_id) is None:
        await store.add_persons(tx.db, [person_id], tx.handled.envelope.time)


async def _is_about(report_id: UUID, person_id: UUID, basis: LinkBasis | None, tx: Tx) -> None:
    now = await store.person_of(tx.db, report_id)
    if now is None:
        await store.announce(tx.db, report_id, person_id, basis, tx.handled.envelope.time)
    elif now != person_id:
        await store.move_report(
            tx.db, report_id, person_id, tx.handled.envelope.actor, tx.handled.envelope.time
        )
        await index.hold(tx.db)
        await index.move_report(tx.db, report_id, person_id)


RESTORES: Mapping[type[Event], Handler] = {
    PersonRegistered: on_person_registered,
    ReportLinked: on_report_linked,
    ReportUnlinked: on_report_unlinked,
    StatusAsserted: on_status_asserted,
}
