"""The runtime's own routes, the same in every service: dead letters and the state of the outbox."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from . import dead_letters as letters
from . import inbox
from .auth import Actor, require
from .broker import behind
from .contracts import DeadLetterRetried, DeadLetterSkipped
from .envelope import topics_of
from .parts import Parts, Service
from .problems import Problem
from .tables import outbox, relay_state

Operator = Annotated[Actor, require("operations")]


class DeadLetter(BaseModel):
    """A record set aside, by reference."""

    id: UUID
    consumer: str
    topic: str
    partition: int
    offset: int
    stream: str
    event_id: UUID | None
    state: str
    error: str | None
    at: datetime


class DeadLetters(BaseModel):
    """Open letters, oldest first."""

    dead_letters: list[DeadLetter]


class Skip(BaseModel):
    """Why a record will never be handled."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Annotated[str, StringConstraints(min_length=3, max_length=2_000)]


class OutboxState(BaseModel):
    """How far what was committed has got."""

    epoch: int
    committed: int
    """Events committed in this epoch."""
    sequenced: int
    """Last sequence given in this epoch."""
    published: int
    """Last sequence known to be on the topic."""
    unsequenced: int
    oldest_unsequenced_seconds: float | None


class ConsumerState(BaseModel):
    """How far a service has got with what others published."""

    group: str
    lag: int
    """Records yet to be handled."""


def router(service: str) -> APIRouter:
    """The admin routes of ``service``."""
    routes = APIRouter(prefix=f"/v1/{service}", tags=["operations"])
    routes.add_api_route("/dead-letters", list_dead_letters, response_model=DeadLetters)
    routes.add_api_route(
        "/dead-letters/{letter_id}/retry", retry, methods=["POST"], response_model=DeadLetter
    )
    routes.add_api_route("/dead-letters/{letter_id}/skip", skip, methods=["POST"], response_model=DeadLetter)
    routes.add_api_route("/outbox", outbox_state, response_model=OutboxState)
    routes.add_api_route("/consumer", consumer_state, response_model=ConsumerState)
    return routes


async def list_dead_letters(request: Request, actor: Operator) -> DeadLetters:
    """Records that could not be handled and what waits behind them."""
    async with _parts(request).engine.connect() as db:
        found = await letters.open_letters(db)
    return DeadLetters(dead_letters=[_shown(letter) for letter in found])


async def retry(letter_id: UUID, request: Request, actor: Operator) -> DeadLetter:
    """Handle a record again; what waits behind it follows in order."""
    async with _parts(request).transaction(actor.name) as tx:
        letter = _found(await letters.ask_retry(tx.db, letter_id))
        tx.emit(DeadLetterRetried(dead_letter_id=letter.id, event_id=letter.event_id))
    return _shown(letter)


async def skip(letter_id: UUID, body: Skip, request: Request, actor: Operator) -> DeadLetter:
    """Decide that a record will never be handled; the decision and its reason are audited."""
    async with _parts(request).transaction(actor.name) as tx:
        letter = _found(await letters.skip(tx.db, letter_id))
        tx.emit(DeadLetterSkipped(dead_letter_id=letter.id, event_id=letter.event_id, reason=body.reason))
    return _shown(letter)


async def outbox_state(request: Request, actor: Operator) -> OutboxState:
    """What was committed, numbered and published."""
    parts = _parts(request)
    async with parts.engine.connect() as db:
        state = (await db.execute(sa.select(relay_state))).first()
        waiting = (
            await db.execute(
                sa.select(sa.func.count().label("count"), sa.func.min(outbox.c.time).label("oldest")).where(
                    outbox.c.sequence.is_(None)  # an index of its own: never the whole table
                )
            )
        ).one()
    age = (parts.clock() - waiting.oldest).total_seconds() if waiting.oldest else None
    sequenced = state.numbered if state else 0
    return OutboxState(
        epoch=state.epoch if state else 1,
        committed=sequenced + waiting.count,
        sequenced=sequenced,
        published=state.published if state else 0,
        unsequenced=waiting.count,
        oldest_unsequenced_seconds=age,
    )


async def consumer_state(request: Request, actor: Operator) -> ConsumerState:
    """How many records wait to be handled, by the database's own account: a restored one is behind, whatever
    the broker says."""
    service: Service = request.app.state.service
    topics = topics_of(service.consumers)
    ends = await service.parts.broker.end_positions(topics) if topics else {}
    async with service.parts.engine.connect() as db:
        done = await inbox.positions(db, service.name)
    return ConsumerState(group=service.name, lag=behind(ends, done))


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


def _found(letter: letters.Letter | None) -> Any:
    if letter is None:
        raise Problem(404, "not-found", "No dead letter with this id waits for a decision.")
    return letter


def _shown(letter: Any) -> DeadLetter:
    return DeadLetter.model_validate(dict(letter._mapping))
