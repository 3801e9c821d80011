"""What intake does about events of others."""

from collections.abc import Mapping
from uuid import UUID

from homeward.common.contracts import Event, ReportReceived, SubjectErased
from homeward.common.parts import Handler
from homeward.common.tx import Tx

from . import store
from .accept import accept_again


async def on_subject_erased(event: SubjectErased, tx: Tx) -> None:
    """The reports' keys are gone; their receipts say so."""
    ids = [UUID(subject) for subject in event.subjects if ":" not in subject]
    await store.mark_erased(tx.db, ids, event.erased_at)


CONSUMERS: Mapping[type[Event], Handler] = {SubjectErased: on_subject_erased}
RESTORES: Mapping[type[Event], Handler] = {ReportReceived: accept_again}
