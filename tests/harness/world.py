"""Everything outside a service, for its tests: keys, tokens, time, the log, and other services' events.

    async with open_world(database) as world:
        service = await world.start(create_service, Settings)
        await world.deliver(service, ReportReceived(...))
        assert await world.said(service, PersonRegistered) == [...]
        async with world.client(service, "persons:read") as client: ...

Database, log, sealing, consumer and relay are the real ones. Only the keyring is in memory (real keys,
no hand-out records), tokens are names, and time stands still until a test moves it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, overload
from uuid import UUID

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from homeward.common import http
from homeward.common.broker import Broker
from homeward.common.broker.postgres import PostgresBroker
from homeward.common.consumer import Consumer
from homeward.common.contracts import Event, FieldClass, SubjectErased
from homeward.common.contracts.base import contracts_below
from homeward.common.dead_letters import open_letters
from homeward.common.envelope import Envelope, Received, Record, topic_of, topics_of
from homeward.common.ids import new_id
from homeward.common.jose import TokenRefused
from homeward.common.keys import LOOKUP, ClassKeys, Erased, KeyringUnavailable, KeySet, expand
from homeward.common.migrate import upgrade
from homeward.common.parts import Service
from homeward.common.relay import Relay
from homeward.common.sealing import Draft, Sealed, seal
from homeward.common.settings import ServiceSettings
from homeward.common.tables import outbox
from homeward.common.tokens import Actor

E = TypeVar("E", bound=Event)
S = TypeVar("S", bound=ServiceSettings)

ALL_CLASSES = frozenset({*FieldClass, LOOKUP, "audit"})


class MemoryKeyring:
    """The Keyring protocol in memory, with random data keys; shared by all services of a world."""

    def __init__(self) -> None:
        self._data_keys: dict[str, bytes] = {}
        self.erased: dict[str, datetime] = {}
        self.announced: list[SubjectErased] = []
        """What the real keyring would have published, one for each erasure that did something."""
        self.asked: list[frozenset[str]] = []
        """The subjects of every call, so that a test can count the calls."""
        self.away = False
        """Set it, and every call raises KeyringUnavailable."""

    def limited_to(self, classes: Collection[str]) -> LimitedKeyring:
        """The same keys as a service entitled to ``classes`` alone meets them."""
        return LimitedKeyring(self, frozenset(classes))

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """Keys of every class."""
        if self.away:
            raise KeyringUnavailable("the test says so")
        self.asked.append(frozenset(subjects))
        return {s: keys for s in subjects if (keys := self._keys_of(s, create)) is not None}

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """Forget the data keys for ever, and keep what is to be announced."""
        if self.away:
            raise KeyringUnavailable("the test says so")
        at = datetime.now(UTC)
        if newly := sorted(set(subjects) - self.erased.keys()):
            self.erased.update(dict.fromkeys(newly, at))
            for subject in newly:
                self._data_keys.pop(subject, None)
            self.announced.append(
                SubjectErased(
                    erasure_id=new_id(), subjects=tuple(newly), person_id=UUID(person_id), erased_at=at
                )
            )
        return at

    def _keys_of(self, subject: str, create: bool) -> ClassKeys | Erased | None:
        if subject in self.erased:
            return Erased(self.erased[subject])
        if subject not in self._data_keys:
            if not create:
                return None
            self._data_keys[subject] = os.urandom(32)
        data_key = self._data_keys[subject]
        return {name: expand(data_key, f"homeward class|{name}") for name in ALL_CLASSES}


class LimitedKeyring:
    """A MemoryKeyring that hands out the keys of some classes only."""

    def __init__(self, inner: MemoryKeyring, classes: frozenset[str]) -> None:
        self._inner = inner
        self._classes = classes

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        """As the inner one, fewer classes."""
        found = await self._inner.class_keys(subjects, create=create)
        return {s: k if isinstance(k, Erased) else self._limit(k) for s, k in found.items()}

    async def erase(self, subjects: Collection[str], *, person_id: str, actor: str) -> datetime:
        """As the inner one."""
        return await self._inner.erase(subjects, person_id=person_id, actor=actor)

    def _limit(self, keys: ClassKeys) -> ClassKeys:
        return {name: key for name, key in keys.items() if name in self._classes}


class FakeVerifier:
    """The TokenVerifier protocol: a token is good if this made it."""

    def __init__(self) -> None:
        self._actors: dict[str, Actor] = {}

    def token(
        self,
        *scopes: str,
        organisation: str = "homeward-desk",
        role: str = "staff",
        client_id: str = "caseworker-1",
        **more: Any,
    ) -> str:
        """A token of an actor with ``scopes``; ``more`` as for :class:`.Actor`."""
        token = f"token-{len(self._actors)}"
        self._actors[token] = Actor(client_id, organisation, role, frozenset(scopes), **more)
        return token

    async def verify(self, token: str) -> Actor:
        """The actor; TokenRefused for a token not made here."""
        try:
            return self._actors[token]
        except KeyError:
            raise TokenRefused("invalid_token") from None


class World:
    """Made by :func:`open_world`. One database serves one service; ``database=`` gives a second its own."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.keyring = MemoryKeyring()
        self.verifier = FakeVerifier()
        self.broker: Broker = PostgresBroker(database.replace("+asyncpg", ""), partitions=2)
        self.now = datetime(2025, 1, 7, 9, 30, tzinfo=UTC)
        self._sequence: dict[str, int] = defaultdict(int)
        self._engines: list[AsyncEngine] = []

    def pass_time(self, **by: float) -> None:
        """Move the clock on; ``by`` as for timedelta."""
        self.now += timedelta(**by)

    async def start(
        self,
        create_service: Callable[..., Service],
        settings_type: Callable[..., S],
        *,
        database: str | None = None,
        classes: Collection[str] | None = None,
        **settings: Any,
    ) -> Service:
        """A service on its migrated database, with this world outside.

        ``create_service(settings, **outside)`` is the service's composition root; ``classes`` are those
        it is entitled to (all, if not given); ``settings`` are further ones. Started twice on one
        database, it is two processes of the service.
        """
        url = database or self.database
        keyring = self.keyring if classes is None else self.keyring.limited_to(classes)
        service = create_service(
            settings_type(database_url=url, **settings),
            broker=self.broker,
            keyring=keyring,
            verifier=self.verifier,
            clock=lambda: self.now,
        )
        self._engines.append(service.parts.engine)
        await upgrade(service.name, url)
        await self.broker.ensure_topics(sorted({topic_of(service.name), *topics_of(service.consumers)}))
        return service

    async def records(self, *events: Event, service: str | None = None) -> list[Received]:
        """``events`` sealed, as their owners' relays would publish them and a consumer would meet them.

        ``service`` is who says those events that no service owns. The same list handed over twice is
        a repeated delivery.
        """
        drafts = [Draft(new_id(), event, event.SERVICE or service or "test") for event in events]
        subjects: set[str] = set().union(*(draft.subjects for draft in drafts))
        keys = await self.keyring.class_keys(subjects, create=True)
        return [self._received(draft, seal(draft, keys)) for draft in drafts]

    async def publish(self, *events: Event, service: str | None = None) -> list[UUID]:
        """Put ``events`` on the log; their event ids."""
        records = await self.records(*events, service=service)
        await self.broker.ensure_topics(sorted({record.topic for record in records}))
        await self.broker.publish([Record(r.topic, r.key, r.headers, r.value) for r in records])
        return [Envelope.of(record).id for record in records]

    async def deliver(self, service: Service, *events: Event) -> list[Received]:
        """Have ``service`` handle ``events`` as one batch, past the log; the records, to repeat them.

        AssertionError if a record was set aside.
        """
        records = await self.records(*events)
        await self.handle(service, records)
        return records

    async def handle(self, service: Service, records: Sequence[Received]) -> None:
        """Have ``service`` handle ``records`` as one batch; AssertionError if one was set aside.

        What is to be a dead letter goes through ``Consumer(service).handle(records)`` itself.
        """
        await Consumer(service).handle(records)
        async with service.parts.engine.connect() as db:
            letters = await open_letters(db)
        assert not letters, f"{service.name} set a record aside: {letters[0].error}"

    async def announce_erasures(self, service: Service) -> list[Received]:
        """Tell ``service`` of what the keyring has erased since the last call."""
        events, self.keyring.announced = self.keyring.announced, []
        return await self.deliver(service, *events)

    async def consume(self, service: Service) -> int:
        """Have ``service`` consume what is on the log for it, as :meth:`handle`; how many records."""
        count = 0
        async with self.broker.subscribe(service.name, topics_of(service.consumers)) as subscription:
            while records := await subscription.poll(300, 0.05):
                await self.handle(service, records)
                await subscription.commit(records)
                count += len(records)
        return count

    async def relay(self, service: Service) -> int:
        """Publish all that ``service`` has in its outbox; how many events."""
        relay, count = Relay(service), 0
        await relay.open_epoch()
        while published := await relay.step():
            count += published
        return count

    async def settle(self, *services: Service) -> None:
        """Relay and consume until nothing moves: the log carries everything to everybody."""
        moved = 1
        while moved:
            moved = sum([await self.relay(s) for s in services])
            moved += sum([await self.consume(s) for s in services if s.consumers])

    @overload
    async def said(self, service: Service) -> list[Event]: ...
    @overload
    async def said(self, service: Service, *kinds: type[E]) -> list[E]: ...
    async def said(self, service: Service, *kinds: type[Event]) -> Sequence[Event]:
        """What ``service`` has emitted, opened with every key, in order; of ``kinds``, if given."""
        async with service.parts.engine.connect() as db:
            rows = (await db.execute(sa.select(outbox).order_by(outbox.c.position))).all()
        values = [(row.type, Sealed(row.id, row.value)) for row in rows]
        subjects: set[str] = set().union(*(value.subjects for _, value in values))
        keys = await self.keyring.class_keys(subjects, create=False)
        contracts = {contract.TYPE: contract for contract in contracts_below()}  # those of tests as well
        events = [contracts[name].model_validate(value.open(keys).fields) for name, value in values]
        return [event for event in events if isinstance(event, kinds or Event)]

    @asynccontextmanager
    async def client(self, service: Service, *scopes: str, **actor: str) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client of ``service`` whose token carries ``scopes``; ``actor`` as for
        :meth:`FakeVerifier.token`. Without any of both it has no token. What the service fails at comes
        as its answer, as it would over a wire."""
        headers = {}
        if scopes or actor:
            headers["Authorization"] = f"Bearer {self.verifier.token(*scopes, **actor)}"
        transport = httpx.ASGITransport(http.create_app(service), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            yield client

    async def execute(self, service: Service, sql: str, **parameters: Any) -> Sequence[sa.Row[Any]]:
        """Run one statement in the service's database and commit; its rows, if it has any."""
        async with service.parts.engine.begin() as db:
            result = await db.execute(sa.text(sql), parameters)
            return result.all() if result.returns_rows else []

    async def close(self) -> None:
        """Let go of all connections."""
        await self.broker.close()
        for engine in self._engines:
            await engine.dispose()

    def _received(self, draft: Draft, value: bytes) -> Received:
        self._sequence[draft.service] += 1
        sequence = self._sequence[draft.service]
        envelope = Envelope(
            id=draft.event_id,
            source=f"/homeward/{draft.service}/0/1",
            type=draft.event.TYPE,
            subject=draft.event.stream(),
            time=self.now,
            sequence=sequence,
            actor=f"service:{draft.service}",
            traceparent=f"00-{draft.event_id.hex}-{draft.event_id.hex[:16]}-01",
        )
        record = envelope.record(value)
        return Received(record.topic, record.key, record.headers, record.value, 0, sequence - 1)


@asynccontextmanager
async def open_world(database: str) -> AsyncIterator[World]:
    """A world on an empty database, closed at the end of the context."""
    world = World(database)
    try:
        yield world
    finally:
        await world.close()
