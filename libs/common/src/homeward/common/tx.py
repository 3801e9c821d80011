"""A transaction: the service's state and what it says about it commit together, or neither does."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from .contracts import Event
from .db import copy_in
from .envelope import Envelope
from .ids import new_id
from .keys import CachedKeyring, KeySet
from .sealing import Draft, Sealed, seal
from .tables import outbox
from .telemetry import current_traceparent

OUTBOX_CHANNEL = "homeward_outbox"


@dataclass(frozen=True)
class Incoming:
    """A record being handled: its attributes, its sealed value, and the event as far as it opens."""

    envelope: Envelope
    sealed: Sealed
    event: Event
    erased: bool
    """Whether some class of it can never be opened again."""


@dataclass
class Tx:
    """What a handler or a request may touch. The runtime opens and commits it, nobody else."""

    db: AsyncConnection
    now: datetime
    service: str
    actor: str
    keyring: CachedKeyring
    incoming: Incoming | None = None
    """The record being handled; None in a request."""
    scratch: dict[str, Any] = field(default_factory=dict)
    """What a service's ``prepare`` found for its handlers, for this batch only."""
    _drafts: list[tuple[Draft, str, str | None]] = field(default_factory=list)
    _said: bool = False

    def emit(self, event: Event, *, traceparent: str | None = None) -> UUID:
        """Say ``event`` when the transaction commits; its id.

        Lock the aggregate's row first: then per-stream order is commit order. ``traceparent``
        is for events decided later than what caused them; the default is the current span.
        """
        draft = Draft(new_id(), event, self.service)
        self._drafts.append((draft, self.actor, traceparent or current_traceparent()))
        return draft.event_id

    async def keys(self, subjects: Iterable[str], *, create: bool = False) -> KeySet:
        """Class keys of all ``subjects`` in one call."""
        return await self.keyring.class_keys(sorted(set(subjects)), create=create)

    @property
    def handled(self) -> Incoming:
        """The record being handled, in a handler."""
        assert self.incoming is not None
        return self.incoming

    async def open(
        self, records: Sequence[tuple[Envelope, bytes]], contracts: Mapping[str, type[Event]]
    ) -> list[Incoming]:
        """Each record (attributes and value) as a handler meets it, as far as it opens; the keys in one
        call. ``contracts`` has the type of every record."""
        sealed = [(envelope, Sealed(envelope.id, value)) for envelope, value in records]
        keys = await self.keys({subject for _, value in sealed for subject in value.subjects})
        batch = []
        for envelope, value in sealed:
            opened = value.open(keys)
            event = contracts[envelope.type].model_validate(opened.fields)
            batch.append(Incoming(envelope, value, event, bool(opened.erased)))
        return batch

    async def flush(self) -> None:
        """Seal and write what was emitted: the keys in one call, the rows in one COPY."""
        if not self._drafts:
            return
        subjects: set[str] = set().union(*(draft.subjects for draft, _, _ in self._drafts))
        keys = await self.keys(subjects, create=True)
        rows = [
            {
                "id": draft.event_id,
                "type": draft.event.TYPE,
                "stream": draft.event.stream(),
                "actor": actor,
                "traceparent": traceparent,
                "value": seal(draft, keys),
                "time": self.now,
            }
            for draft, actor, traceparent in self._drafts
        ]
        self._drafts.clear()
        await copy_in(self.db, outbox, rows)
        self._said = True

    async def wake_relay(self) -> None:
        """Hint that there is something to relay; after the commit, on its connection.

        Within the transaction it would hold, until its commit is on the disk, the one lock that PostgreSQL
        has for all commits with a NOTIFY, of all databases: one after another, as fast as a disk syncs.
        """
        if self._said:
            connection = (await self.db.get_raw_connection()).driver_connection
            assert connection is not None
            with suppress(
                asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
            ):
                await connection.execute(f"NOTIFY {OUTBOX_CHANNEL}")  # if it fails, the relay looks by itself
