"""What verification does when a report comes, and when somebody is erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from homeward.common.contracts import (
    Event,
    KekDestroyed,
    PersonRegistered,
    ReportLinked,
    ReportReceived,
    SubjectErased,
)
from homeward.common.contracts.verification import LinkBasis
from homeward.common.keys import Erased
from homeward.common.parts import Handler
from homeward.common.tx import Incoming, Tx

from . import matching_index as index
from . import store
from .domain import Key, Link, decide, strong_keys


class IndexIncomplete(ConnectionError):
    """The matching index is being rebuilt. A kind of ConnectionError, so that the runtime waits."""


@dataclass
class Batch:
    """What is known of a batch before its handlers, and what they leave to be written after them."""

    keys: dict[UUID, list[Key]] = field(default_factory=dict)
    """By report. One whose keys are destroyed is not here: there is nobody it could be about."""
    announced: dict[UUID, tuple[UUID, LinkBasis | None, datetime]] = field(default_factory=dict)
    """By report: whom it is about, why and since when, as we said before this database was restored."""
    found: dict[str, set[UUID]] = field(default_factory=dict)
    """The living persons by key text, those the batch registers included."""
    linked: dict[UUID, list[UUID]] = field(default_factory=dict)
    """The reports, not blanked yet, of persons that the batch erases."""

    persons: list[UUID] = field(default_factory=list)
    reports: list[store.NewLink] = field(default_factory=list)
    entries: list[index.Entry] = field(default_factory=list)
    erasures: list[SubjectErased] = field(default_factory=list)


async def prepare(batch: Sequence[Incoming], tx: Tx) -> None:
    """Lock, then look up, all that the batch is about; IndexIncomplete while that cannot be done."""
    state = tx.scratch["batch"] = Batch()
    if not batch:
        return
    await index.hold(tx.db)
    if not await index.is_whole(tx.db):
        raise IndexIncomplete("the matching index is being rebuilt")
    received = [i for i in batch if isinstance(i.event, ReportReceived)]
    gone = await _destroyed(received, tx)
    for incoming in received:
        report = incoming.event
        assert isinstance(report, ReportReceived)
        if report.report_id not in gone:
            state.keys[report.report_id] = strong_keys(report)
    state.announced = await store.take_announced(tx.db, state.keys) if state.keys else {}
    texts = {key.text for keys in state.keys.values() for key in keys}
    # Only after the locks: who registered one of these keys a moment ago has committed by then.
    await index.lock_keys(tx.db, texts)
    state.found = await index.persons_by_key(tx.db, texts)
    erased = persons_of([i.event for i in batch if isinstance(i.event, SubjectErased)])
    await _lock_persons(state, erased, tx)


async def _lock_persons(state: Batch, erased: set[UUID], tx: Tx) -> None:
    """Lock the persons found and those erased; leave in ``found`` who may still be linked to."""
    known = await store.lock_persons(tx.db, erased.union(*state.found.values()))
    living = {person_id for person_id, erased_at in known.items() if erased_at is None} - erased
    state.found = {key: persons & living for key, persons in state.found.items()}
    if erased:
        for row in await store.reports_of(tx.db, erased):
            if not row.erased:
                state.linked.setdefault(row.person_id, []).append(row.report_id)


async def _destroyed(received: Sequence[Incoming], tx: Tx) -> set[UUID]:
    """The reports whose own keys are destroyed; a reporter's may be, and the report still stands."""
    doubtful = [i for i in received if i.erased or i.envelope.subject not in i.sealed.subjects]
    keys = await tx.keys({i.envelope.subject for i in doubtful}) if doubtful else {}
    return {UUID(subject) for subject, found in keys.items() if isinstance(found, Erased)}


async def on_report_received(report: ReportReceived, tx: Tx) -> None:
    """Link the report to the person it is about, or register that person."""
    state = _batch(tx)
    if report.report_id not in state.keys:
        return
    keys, linked_at = state.keys[report.report_id], tx.now
    decision = decide(keys, state.found)
    if report.report_id in state.announced:
        person_id, basis, linked_at = state.announced[report.report_id]
    elif isinstance(decision, Link):
        person_id, basis = decision.person_id, decision.basis
        tx.emit(ReportLinked(person_id=person_id, report_id=report.report_id, basis=basis))
    else:
        person_id, basis = tx.keyring.new_subject(), None
        state.persons.append(person_id)
        tx.emit(PersonRegistered(person_id=person_id, report_id=report.report_id))
    state.reports.append(
        store.NewLink(
            report.report_id,
            tx.handled.envelope.id,
            report.reporter_id,
            tx.handled.sealed.value,
            person_id,
            basis,
            linked_at,
        )
    )
    for key in keys:
        state.found.setdefault(key.text, set()).add(person_id)
        state.entries.append(index.Entry(key.text, person_id, report.report_id))


async def on_subject_erased(erasure: SubjectErased, tx: Tx) -> None:
    """Forget what the destroyed keys sealed; written by :func:`finish`."""
    _batch(tx).erasures.append(erasure)


async def on_kek_destroyed(destroyed: KekDestroyed, tx: Tx) -> None:
    """What backups hold under it is unreadable; so are people who were erased while it was in use."""
    await store.note_destroyed(tx.db, destroyed.kek_id, destroyed.destroyed_at)


async def finish(tx: Tx) -> None:
    """Write what the handlers decided, in a few statements whatever the batch's size."""
    state = _batch(tx)
    await store.add_persons(tx.db, state.persons, tx.now)
    await store.add_reports(tx.db, state.reports, tx.actor)
    await index.add(tx.db, state.entries)
    for erasure in state.erasures:
        await _forget(erasure, state, tx)


async def _forget(erasure: SubjectErased, state: Batch, tx: Tx) -> None:
    persons, subjects = persons_of([erasure]), _uuids(erasure)
    linked = {report_id for person_id in persons for report_id in state.linked.get(person_id, ())}
    if erasure.person_id and (late := linked - subjects):
        # Linked between the destruction of the keys and now: it goes with the others.
        await tx.keyring.erase(
            [str(report_id) for report_id in late], person_id=str(erasure.person_id), actor=tx.actor
        )
    await index.remove_reports(tx.db, linked | subjects)
    await store.mark_erased(tx.db, persons, linked | subjects, erasure.erased_at)
    if erasure.kek_ids is not None:
        await store.note_wrapping(tx.db, persons, erasure.kek_ids)


def persons_of(erasures: Sequence[SubjectErased]) -> set[UUID]:
    """The ids that may be of persons (also of their reports and reporters) in ``erasures``."""
    named = {erasure.person_id for erasure in erasures if erasure.person_id}
    return named.union(*(_uuids(erasure) for erasure in erasures))


def _uuids(erasure: SubjectErased) -> set[UUID]:
    """The subjects that are somebody's; ``service:<name>`` is nobody's."""
    return {UUID(subject) for subject in erasure.subjects if ":" not in subject}


def _batch(tx: Tx) -> Batch:
    state: Batch = tx.scratch["batch"]
    return state


CONSUMERS: Mapping[type[Event], Handler] = {
    ReportReceived: on_report_received,
    SubjectErased: on_subject_erased,
    KekDestroyed: on_kek_destroyed,
}
