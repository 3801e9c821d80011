"""State and what is said about it commit together, or neither does."""

import pytest
import sqlalchemy as sa

from harness.world import World
from homeward.common.contracts import FieldClass
from homeward.common.ids import new_id
from homeward.common.keys import KeyringUnavailable
from homeward.common.parts import Service
from homeward.common.sealing import Sealed
from homeward.common.tables import outbox

from .noting import NoteTaken, names


class Mistake(Exception):
    pass


async def rows(service: Service) -> list[sa.Row[tuple[object, ...]]]:
    async with service.parts.engine.connect() as db:
        return list((await db.execute(sa.select(outbox).order_by(outbox.c.position))).all())


async def test_an_event_is_committed_with_the_state_it_is_about(service: Service, world: World) -> None:
    said = NoteTaken(report_id=new_id(), text="said")
    async with service.parts.transaction("client:caseworker-1") as tx:
        await tx.db.execute(
            sa.text("INSERT INTO notes (report_id, name) VALUES (:id, 'x')"), {"id": new_id()}
        )
        event_id = tx.emit(said)
    [row] = await rows(service)
    assert (row.id, row.type, row.stream, row.actor) == (
        event_id, NoteTaken.TYPE, str(said.report_id), "client:caseworker-1",
    )  # fmt: skip
    assert (row.time, row.epoch, row.sequence) == (world.now, None, None)
    assert await names(world, service) == ["x"]


async def note(service: Service, *, mistake: bool = False) -> None:
    async with service.parts.transaction("client:caseworker-1") as tx:
        await tx.db.execute(sa.text("INSERT INTO notes (report_id) VALUES (:id)"), {"id": new_id()})
        tx.emit(NoteTaken(report_id=new_id(), text="said"))
        if mistake:
            raise Mistake


async def test_of_a_transaction_that_fails_nothing_is_said(service: Service, world: World) -> None:
    with pytest.raises(Mistake):
        await note(service, mistake=True)
    assert await rows(service) == []
    assert await names(world, service) == []


async def test_without_keys_nothing_is_committed(service: Service, world: World) -> None:
    world.keyring.away = True
    with pytest.raises(KeyringUnavailable):
        await note(service)
    assert await rows(service) == []
    assert await names(world, service) == []


async def test_many_events_take_one_call_for_keys_and_one_statement(service: Service, world: World) -> None:
    async with service.parts.transaction("client:caseworker-1") as tx:
        for _ in range(200):
            tx.emit(NoteTaken(report_id=new_id(), text="said"))
    assert len(await rows(service)) == 200
    assert len(world.keyring.asked) == 1
    # `cmin` is the number, within its transaction, of the statement that wrote a row.
    assert len(await world.execute(service, "SELECT DISTINCT xmin::text, cmin::text FROM outbox")) == 1


async def test_what_is_said_rests_sealed(service: Service, world: World) -> None:
    said = NoteTaken(report_id=new_id(), text="Zoë Lin was seen")
    async with service.parts.transaction("client:caseworker-1") as tx:
        tx.emit(said)
    [row] = await rows(service)
    sealed = Sealed(row.id, row.value)
    assert "Lin was" not in str(dict(row._mapping))
    keys = await world.keyring.class_keys(sealed.subjects, create=False)
    assert sealed.open(keys, only=frozenset({FieldClass.NARRATIVE})).fields == {"text": said.text}


async def test_events_of_one_transaction_keep_their_order(service: Service, world: World) -> None:
    stream = new_id()
    async with service.parts.transaction("client:caseworker-1") as tx:
        said = [tx.emit(NoteTaken(report_id=stream, text=f"{n}")) for n in range(50)]
    assert [row.id for row in await rows(service)] == said
    await world.relay(service)
    assert await world.execute(service, "SELECT bool_and(sequence = position) FROM outbox") == [(True,)]
