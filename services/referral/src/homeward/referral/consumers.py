"""What referral does when a person is registered, and when one is erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from homeward.common.contracts import CaseClosed, CaseOpened, Event, PersonRegistered, SubjectErased
from homeward.common.ids import new_id
from homeward.common.parts import Handler
from homeward.common.tx import Incoming, Tx

from . import store
from .domain import CLOSED, ERASED, FIRST_CASE_STATUS, FIRST_SEARCH_STATUS
from .store import Case


@dataclass
class Batch:
    """The cases a batch is about, by person, and what its handlers leave to be written."""

    known: dict[UUID, Case] = field(default_factory=dict)
    new: list[Case] = field(default_factory=list)
    closed: list[Case] = field(default_factory=list)


async def prepare(batch: Sequence[Incoming], tx: Tx) -> None:
    """Lock, then look up, the cases of all persons the batch is about."""
    state = tx.scratch["batch"] = Batch()
    persons, subjects = set(), set()
    for incoming in batch:
        if isinstance(incoming.event, PersonRegistered):
            persons.add(incoming.event.person_id)
        elif isinstance(incoming.event, SubjectErased):
            subjects |= _uuids(incoming.event)
            if incoming.event.person_id:
                persons.add(incoming.event.person_id)
    if persons | subjects:
        await store.lock_people(tx.db, persons)
        state.known = await store.lock_cases_of(tx.db, persons | subjects)


async def on_person_registered(registered: PersonRegistered, tx: Tx) -> None:
    """Open the person's case; exactly one, and none for a person erased meanwhile."""
    state = _batch(tx)
    if registered.person_id in state.known:
        return
    case = _add(state, registered.person_id, is_open=True)
    tx.emit(
        CaseOpened(
            case_id=case.case_id,
            person_id=case.person_id,
            case_status=FIRST_CASE_STATUS,
            search_status=FIRST_SEARCH_STATUS,
        )
    )


async def on_subject_erased(erasure: SubjectErased, tx: Tx) -> None:
    """Close the person's case. The registration, on another topic, may be yet to come: a case that is
    closed from the start is there before it."""
    state = _batch(tx)
    if erasure.person_id and erasure.person_id not in state.known:
        _add(state, erasure.person_id, is_open=False)
    for person_id in sorted(_uuids(erasure) | ({erasure.person_id} if erasure.person_id else set())):
        case = state.known.get(person_id)
        if case is not None and case.is_open:
            case.is_open = False
            state.closed.append(case)
            tx.emit(CaseClosed(case_id=case.case_id, person_id=person_id, case_status=CLOSED, reason=ERASED))


async def finish(tx: Tx) -> None:
    """Write what the handlers decided."""
    state = _batch(tx)
    await store.add_cases(tx.db, state.new, tx.now)
    await store.close_cases(tx.db, state.closed, ERASED, tx.now)


def _add(state: Batch, person_id: UUID, *, is_open: bool) -> Case:
    case = state.known[person_id] = Case(new_id(), person_id, is_open)
    state.new.append(case)
    return case


def _uuids(erasure: SubjectErased) -> set[UUID]:
    """The subjects that may be persons; ``service:<name>`` is none."""
    return {UUID(subject) for subject in erasure.subjects if ":" not in subject}


def _batch(tx: Tx) -> Batch:
    state: Batch = tx.scratch["batch"]
    return state


CONSUMERS: Mapping[type[Event], Handler] = {
    PersonRegistered: on_person_registered,
    SubjectErased: on_subject_erased,
}
