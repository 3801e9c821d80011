"""Many at once: nobody deadlocks, nothing is lost, no page shows what was withdrawn before it left."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from harness.world import MemoryKeyring
from homeward.common.contracts import CaseOpened, EventsRead, PersonRegistered, ReportReceived
from homeward.common.ids import new_id
from homeward.common.keys import CachedKeyring, KeySet
from homeward.exchange.store import pages

from .scene import BASIC, BODY, NGO, POLICE, F, Scene, consent, report, reports_in, shown


class InterruptedKeyring(MemoryKeyring):
    """Something happens before it first answers about a person's events."""

    def __init__(self, happens: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._happens = happens
        self.interrupted = False

    async def class_keys(self, subjects: Collection[str], *, create: bool) -> KeySet:
        if not self.interrupted and not all(subject.startswith("service:") for subject in subjects):
            self.interrupted = True
            await self._happens()
        return await super().class_keys(subjects, create=create)


async def in_order(*steps: Awaitable[Any]) -> None:
    for step in steps:
        await step


async def nothing_was_missed(scene: Scene) -> bool:
    """Whether deciding everything once more changes nothing."""
    count = "SELECT count(*) AS rows, sum(cardinality(classes)) AS classes FROM feed"
    before = await scene.world.execute(scene.service, count)
    await scene.world.execute(scene.service, "INSERT INTO sweeps (reason) VALUES ('the test says so')")
    await scene.sweep()
    return before == await scene.world.execute(scene.service, count)


async def test_requests_and_batches_at_once_lose_nothing(scene: Scene) -> None:
    reports = [report(consent(NGO), consent(POLICE)) for _ in range(6)]
    persons = [await scene.known(one) for one in reports]
    random.Random(7).shuffle(persons)
    further = [[CaseOpened(case_id=new_id(), person_id=p) for p in persons[::step]] for step in (1, -1)]
    await asyncio.gather(
        *(scene.deliver(*batch) for batch in further),
        in_order(*(scene.withdraw(p, recipient=NGO["agency"]) for p in persons[:3])),
        in_order(*(scene.restrict("/v1/holds", p, POLICE) for p in reversed(persons[:3]))),
        in_order(*(scene.grant(p, BODY, *BASIC) for p in persons)),
        in_order(*(scene.pull(who, limit=5) for who in (NGO, POLICE, BODY))),
        in_order(*(scene.pull(who, limit=500) for who in (BODY, NGO, POLICE))),
        scene.sweep(),
    )
    assert await nothing_was_missed(scene)
    closed, left = persons[:3], persons[3:]
    for who in (NGO, POLICE):
        content = shown(await scene.read(who))
        assert len(content) == 4 * len(left), f"two events and two openings of {len(left)} persons"
        told = await scene.world.execute(
            scene.service,
            "SELECT DISTINCT person_id FROM feed WHERE agency = :agency AND kind = 'retraction'",
            agency=who["agency"],
        )
        assert {row.person_id for row in told} == set(closed)


async def test_batches_that_share_persons_in_opposite_order_do_not_deadlock(scene: Scene) -> None:
    pairs = [(report(consent(NGO)), new_id()) for _ in range(8)]

    def links(order: list[tuple[ReportReceived, UUID]]) -> list[PersonRegistered]:
        return [PersonRegistered(person_id=p, report_id=one.report_id) for one, p in order]

    await asyncio.gather(
        scene.deliver(*(one for one, _ in pairs)),
        scene.deliver(*links(pairs)),
        scene.deliver(*links(list(reversed(pairs)))),
        scene.deliver(*(CaseOpened(case_id=new_id(), person_id=p) for _, p in reversed(pairs))),
    )
    assert await nothing_was_missed(scene)
    assert len(reports_in(await scene.read(NGO))) == 8


async def test_a_withdrawal_waits_for_the_page_on_its_way_and_the_next_page_for_it(scene: Scene) -> None:
    """Whoever holds the person's facts still is done before they change."""
    person_id = await scene.known(report(consent(NGO)))
    async with scene.service.parts.engine.begin() as reading:
        await pages.hold(reading, NGO["agency"], 0, 10)
        withdrawing = asyncio.create_task(scene.withdraw(person_id))
        await asyncio.wait([withdrawing], timeout=0.3)
        assert not withdrawing.done()
        assert len(shown(await scene.read(NGO))) == 2, "another page may leave beside it"
    await withdrawing
    assert shown(await scene.read(NGO)) == []


async def test_no_page_recorded_after_a_withdrawal_shows_it(scene: Scene) -> None:
    persons = [await scene.known(report(consent(NGO))) for _ in range(5)]

    async def read_on() -> list[int]:
        return [len(reports_in(await scene.read(NGO))) for _ in range(6)]

    seen = await asyncio.gather(read_on(), read_on(), in_order(*(scene.withdraw(p) for p in persons)))
    for counts in seen[:2]:
        assert counts is not None
        assert counts == sorted(counts, reverse=True), "what was gone does not come back"
    assert reports_in(await scene.read(NGO)) == []


async def test_a_partner_suspended_while_its_page_is_made_does_not_get_it(scene: Scene) -> None:
    await scene.known(report(consent(NGO)))

    async def suspend() -> None:
        await scene.staff("POST", f"/v1/partners/{NGO['agency']}/suspend")

    keyring = InterruptedKeyring(suspend)
    scene.service.parts.keyring = CachedKeyring(keyring)
    assert (await scene.pull(NGO)).status_code == 403
    assert keyring.interrupted
    assert await scene.world.said(scene.service, EventsRead) == []


async def test_a_partner_registered_while_others_decide_misses_nothing(empty: Scene) -> None:
    """Whoever decides without it is waited for, so that its sweep finds what that left."""
    await empty.register(POLICE)

    async def register_and_sweep() -> None:
        await empty.register(NGO)
        await empty.sweep()

    async with empty.service.parts.engine.begin() as counting:
        await counting.execute(sa.text("SELECT 1 FROM partners FOR UPDATE"))
        deciding = asyncio.create_task(empty.known(report(consent(POLICE), consent(NGO))))
        await asyncio.sleep(0.5)  # it has decided for the police alone, and waits to append
        registering = asyncio.create_task(register_and_sweep())
        await asyncio.sleep(0.5)
    await asyncio.gather(deciding, registering)
    assert len(shown(await empty.read(NGO))) == 2


async def test_appending_takes_the_agencies_in_order(scene: Scene) -> None:
    """Two writers that append to the same feeds from opposite ends: no deadlock, dense sequences."""
    persons = [await scene.known(report()) for _ in range(4)]
    jobs = [
        scene.grant(p, who, *BASIC, F.NARRATIVE)
        for n, p in enumerate(persons)
        for who in ((POLICE, NGO) if n % 2 else (NGO, POLICE))
    ]
    await asyncio.gather(*jobs)
    for who in (POLICE, NGO):
        assert len(await scene.read(who)) == 8
    async with scene.service.parts.engine.connect() as db:
        counted = await db.execute(sa.text("SELECT last_seq FROM partners ORDER BY agency"))
        assert list(counted.scalars()) == [8, 8, 0]
