"""What a partner can infer of what is hidden from it: nothing. Two worlds that differ only in that answer
each of its requests alike: status, headers, bodies, cursors, the size of pages and whether there is more."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from homeward.common.contracts import (
    CaseOpened,
    PersonRegistered,
    ReferralAccepted,
    ReferralOpened,
    ReferralRevoked,
    ReportLinked,
    ReportUnlinked,
    StatusAsserted,
)
from homeward.common.contracts.verification import LinkBasis, TraffickingStatus
from homeward.common.ids import new_id

from .model import Stage
from .scene import BASIC, NGO, POLICE, F, Profile, Scene, consent, report

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CURSOR = re.compile(r"""("cursor":"|'homeward-cursor', ')([^"']+)""")


@dataclass
class Person:
    """Somebody, and what there is about them."""

    person_id: UUID = field(default_factory=new_id)
    case_id: UUID = field(default_factory=new_id)
    report_ids: list[UUID] = field(default_factory=list)
    hidden_report_ids: list[UUID] = field(default_factory=list)
    referral_ids: list[UUID] = field(default_factory=list)
    erased: bool = False


class Run:
    """One world: two agencies of its own, whose feeds begin with it. ``watched`` is the one that infers.

    What a person consents to, or a referral discloses, holds for all reports about them: so that is of the
    first person here, and reports that are hidden are about the second.
    """

    count = 0

    def __init__(self, scene: Scene, begins: datetime) -> None:
        Run.count += 1
        self.scene, self.name = scene, f"world{Run.count:06}w"
        scene.world.now = begins
        self.watched: Profile = {**POLICE, "agency": f"police-{self.name}"}
        self.other: Profile = {**NGO, "agency": f"ngo-{self.name}"}
        self.people = [Person(), Person()]
        self.strangers: list[Person] = []
        self.seen: list[Any] = []
        self.cursor: str | None = None

    # What everybody may see.

    async def reported(self, at: int) -> None:
        person = self.people[at]
        about = report(consent(self.watched), consent(self.other))
        await self.scene.deliver(about, self._link(person, about.report_id))
        person.report_ids.append(about.report_id)

    async def case_opened(self, at: int) -> None:
        person = self.people[at]
        await self.scene.deliver(
            CaseOpened(case_id=person.case_id, person_id=person.person_id, case_status="Active")
        )

    async def asserted(self, at: int) -> None:
        await self.scene.deliver(self._status(self.people[at]))

    async def granted(self, at: int) -> None:
        await self._ask("/v1/consents", self._consent(self.people[0], self.watched, *BASIC, F.NARRATIVE))

    async def withdrawn(self, at: int) -> None:
        await self._withdraw(self.people[at], self.watched)

    async def held(self, at: int) -> None:
        await self._restrict("/v1/holds", self.people[at], self.watched)

    async def released(self, at: int) -> None:
        await self._restrict("/v1/holds/lift", self.people[at], self.watched)

    async def referred(self, at: int) -> None:
        await self._refer(self.people[0], self.watched)

    async def erased(self, at: int) -> None:
        await self._erase(self.people[at])

    async def acknowledged(self, at: int) -> None:
        await self._look("POST", "/v1/events/ack", json={"sequence": 2 * at + 1})

    # What is hidden from the one who watches.

    async def somebody_else_reported(self, at: int) -> None:
        stranger = Person()
        about = [report(consent(self.other, *F)) for _ in range(at + 1)]
        links = [self._link(stranger, one.report_id) for one in about]
        await self.scene.deliver(*about, *links)
        stranger.report_ids += [one.report_id for one in about]
        self.strangers.append(stranger)

    async def reported_to_another_alone(self, at: int) -> None:
        person = self.people[1]
        if person.report_ids and not person.erased:
            about = report(consent(self.other, *F))
            await self.scene.deliver(about, self._link(person, about.report_id))
            person.hidden_report_ids.append(about.report_id)

    async def granted_to_another(self, at: int) -> None:
        await self._ask("/v1/consents", self._consent(self.people[at], self.other, *F))

    async def withdrawn_from_another(self, at: int) -> None:
        await self._withdraw(self.people[at], self.other)

    async def another_held(self, at: int) -> None:
        await self._restrict("/v1/holds", self.people[at], self.other)

    async def another_objected_to(self, at: int) -> None:
        await self._restrict("/v1/objections", self.people[at], self.other)

    async def referred_to_another(self, at: int) -> None:
        await self._refer(self.people[at], self.other)

    async def referral_of_another_moved(self, at: int) -> None:
        person = self.people[at]
        if person.referral_ids:
            about: dict[str, Any] = {
                "case_id": person.case_id,
                "person_id": person.person_id,
                "referral_id": person.referral_ids[-1],
                "receiving_agency": self.other["agency"],
            }
            await self.scene.deliver(ReferralAccepted(**about), ReferralRevoked(**about))

    async def hidden_report_moved(self, at: int) -> None:
        person = self.people[1]
        if person.hidden_report_ids and not person.erased:
            stranger, moved = Person(), person.hidden_report_ids.pop()
            ids = {"report_id": moved, "new_person_id": stranger.person_id}
            await self.scene.deliver(
                PersonRegistered(person_id=stranger.person_id, report_id=moved),
                ReportUnlinked(person_id=person.person_id, **ids),
            )
            stranger.report_ids.append(moved)
            self.strangers.append(stranger)

    async def a_strangers_life_went_on(self, at: int) -> None:
        for stranger in self.strangers[-2:]:
            case = CaseOpened(case_id=stranger.case_id, person_id=stranger.person_id, case_status="Active")
            await self.scene.deliver(case, self._status(stranger))
            await self._refer(stranger, self.other)

    async def a_stranger_erased(self, at: int) -> None:
        if self.strangers:
            await self._erase(self.strangers[-1])

    async def another_read(self, at: int) -> None:
        page = (await self.scene.pull(self.other, limit=100)).json()
        if page["events"]:
            last = int(page["events"][-1]["sequence"])
            await self.scene.partner(self.other, "POST", "/v1/events/ack", json={"sequence": last})

    async def another_suspended(self, at: int) -> None:
        for change in ("suspend", "resume"):
            await self.scene.staff("POST", f"/v1/partners/{self.other['agency']}/{change}")
            await self.scene.pull(self.other)

    # What the watched one does, and keeps of every answer.

    async def pull(self, limit: int) -> None:
        response = await self._look("GET", "/v1/events", params=self._from(self.cursor, limit))
        self.cursor = response.json()["cursor"]

    async def read_all_again(self, limit: int) -> None:
        cursor, more = None, True
        while more:
            page = (await self._look("GET", "/v1/events", params=self._from(cursor, limit))).json()
            cursor, more = page["cursor"], page["more"]

    async def ask_what_is_refused(self) -> None:
        theirs = (await self.scene.pull(self.other)).json()["cursor"]
        for cursor in (theirs, "bm8", "MS4wMA"):
            await self._look("GET", "/v1/events", params={"cursor": cursor})
        for sequence in (10, 1_000, 10**12):
            await self._look("POST", "/v1/events/ack", json={"sequence": sequence})
        for path in (f"/v1/partners/{self.other['agency']}", f"/v1/decisions/{new_id()}", "/v1/consents"):
            await self._look("GET", path)

    def transcript(self) -> list[Any]:
        """Everything seen, with each id called by where it first came."""
        text = repr(self.seen).replace(self.name, "…")
        names: dict[str, str] = {}
        text = UUIDS.sub(lambda found: names.setdefault(found[0], f"id {len(names)}"), text)
        lines = CURSOR.sub(lambda found: found[1] + str(_place(found[2])), text).split("), (")
        return list(lines)

    def ids(self) -> set[UUID]:
        return {UUID(one) for one in UUIDS.findall(repr(self.seen))}

    def _from(self, cursor: str | None, limit: int) -> dict[str, Any]:
        return {"limit": limit, **({"cursor": cursor} if cursor else {})}

    async def _look(self, method: str, path: str, **options: Any) -> httpx.Response:
        if method == "GET":
            await self.scene._watch.step()
        response = await self.scene.partner(self.watched, method, path, **options)
        self.seen.append((method, response.status_code, sorted(response.headers.items()), response.text))
        return response

    async def _ask(self, path: str, body: dict[str, Any]) -> None:
        """Of staff, for what may be too late for by now."""
        response = await self.scene.ask("POST", path, body)
        assert response.status_code in (200, 201, 404, 410), response.text

    async def _withdraw(self, person: Person, to: Profile) -> None:
        body = {"person_id": str(person.person_id), "recipient": to["agency"]}
        await self._ask("/v1/consents/withdrawals", body)

    async def _restrict(self, path: str, person: Person, to: Profile) -> None:
        await self._ask(path, {"person_id": str(person.person_id), "recipient": to["agency"]})

    async def _refer(self, person: Person, to: Profile) -> None:
        opened = ReferralOpened(
            case_id=person.case_id, person_id=person.person_id, referral_id=new_id(),
            receiving_agency=to["agency"], classes=(F.ENVELOPE, F.NARRATIVE),
        )  # fmt: skip
        await self.scene.deliver(opened)
        if to is self.other:
            person.referral_ids.append(opened.referral_id)

    async def _erase(self, person: Person) -> None:
        person.erased = True
        world = self.scene.world
        subjects = {str(one) for one in (person.person_id, *person.report_ids, *person.hidden_report_ids)}
        await world.keyring.erase(subjects, person_id=str(person.person_id), actor="client:operator-1")
        self.scene.service.parts.keyring.forget(subjects)
        world.keyring.announced = [
            one.model_copy(update={"erased_at": world.now}) for one in world.keyring.announced
        ]
        await world.announce_erasures(self.scene.service)

    def _link(self, person: Person, report_id: UUID) -> PersonRegistered | ReportLinked:
        ids = {"person_id": person.person_id, "report_id": report_id}
        return ReportLinked(**ids, basis=LinkBasis.REVIEW) if person.report_ids else PersonRegistered(**ids)

    def _status(self, person: Person) -> StatusAsserted:
        return StatusAsserted(
            person_id=person.person_id, assertion_id=new_id(), trafficking_status=TraffickingStatus.ACTUAL,
            reason="seen",
        )  # fmt: skip

    def _consent(self, person: Person, to: Profile, *classes: F) -> dict[str, Any]:
        return {
            "person_id": str(person.person_id), "recipient": to["agency"], "purpose": to["purposes"][0],
            "classes": list(classes), "given_by": "self",
        }  # fmt: skip


def _place(cursor: str) -> str:
    """The sequence in a cursor; the rest is a tag under the agency's own key."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")[0]


Act = Callable[[Run, int], Awaitable[None]]
OPEN: list[Act] = [
    Run.reported, Run.case_opened, Run.asserted, Run.granted, Run.withdrawn, Run.held, Run.released,
    Run.referred, Run.erased, Run.acknowledged,
]  # fmt: skip
HIDDEN: list[Act] = [
    Run.somebody_else_reported, Run.reported_to_another_alone, Run.granted_to_another,
    Run.withdrawn_from_another, Run.another_held, Run.another_objected_to, Run.referred_to_another,
    Run.referral_of_another_moved, Run.hidden_report_moved, Run.a_strangers_life_went_on,
    Run.a_stranger_erased, Run.another_read, Run.another_suspended,
]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """Something happens, hidden things happen beside it, and then the partner reads."""

    act: Act
    at: int
    hidden: list[tuple[Act, int]]
    limit: int

    def __repr__(self) -> str:
        beside = ", ".join(f"{act.__name__} {at}" for act, at in self.hidden)
        return f"<{self.act.__name__} {self.at}; beside it: {beside}; then pull {self.limit}>"


somebody = st.integers(0, 1)
steps = st.builds(
    Step,
    act=st.sampled_from(OPEN),
    at=somebody,
    hidden=st.lists(st.tuples(st.sampled_from(HIDDEN), somebody), max_size=4),
    limit=st.integers(1, 3),
)


async def lived(scene: Scene, script: list[Step], begins: datetime, *, hidden: bool) -> Run:
    """The script in a world of its own, with or without what is hidden."""
    run = Run(scene, begins)
    await scene.register(run.watched, run.other)
    for at in (0, 1):
        await run.reported(at)
    for step in script:
        scene.world.pass_time(seconds=1)
        beside = step.hidden if hidden else []
        for act, at in beside[::2]:
            await act(run, at)
        await step.act(run, step.at)
        for act, at in beside[1::2]:
            await act(run, at)
        await run.pull(step.limit)
    await run.read_all_again(2)
    await run.ask_what_is_refused()
    return run


def test_what_is_hidden_changes_no_answer(database: str) -> None:
    with Stage(database).open() as stage:
        begins = stage.scene.world.now

        @settings(
            max_examples=12,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(steps, min_size=2, max_size=8))
        def alike(script: list[Step]) -> None:
            without = stage.run(lived(stage.scene, script, begins, hidden=False))
            with_it = stage.run(lived(stage.scene, script, begins, hidden=True))
            assert with_it.transcript() == without.transcript()

        alike()


async def test_everything_at_once_is_hidden_too(scene: Scene) -> None:
    """The same with all of it: what a drawn script may have missed. And ids tell no time nor count."""
    begins = scene.world.now
    everything = [(act, at) for act in HIDDEN for at in (1, 0)]
    script = [Step(act, 0, everything, 2) for act in OPEN]
    without = await lived(scene, script, begins, hidden=False)
    with_it = await lived(scene, script, begins, hidden=True)
    assert with_it.transcript() == without.transcript()
    assert len(with_it.strangers) > 20
    assert len(await scene.read(with_it.other)) > 100
    assert {one.version for one in with_it.ids()} == {4, 8}, "random, or keyed: none has a time in it"
