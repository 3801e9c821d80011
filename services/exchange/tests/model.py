"""What is true, and what a partner keeps of what it is given: a model beside the real thing."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from harness.world import World, open_world
from homeward.common.contracts import ReportReceived
from homeward.common.ids import new_id
from homeward.exchange.app import create_service
from homeward.exchange.domain import CaseEvent, CaseFile, Consent, Partner, ReportFacts
from homeward.exchange.settings import Settings

from .scene import ERASED, RETRACTED, Item, Profile, Scene

T = TypeVar("T")
Content = dict[UUID, frozenset[str]]
"""What somebody has: classes by event."""


@dataclass
class Facts:
    """What is true of one person, as far as the test made it so."""

    person_id: UUID = field(default_factory=new_id)
    case_id: UUID = field(default_factory=new_id)
    events: list[CaseEvent] = field(default_factory=list)
    reports: list[ReportReceived] = field(default_factory=list)
    consents: list[tuple[str, Consent]] = field(default_factory=list)
    restrictions: set[tuple[str, str]] = field(default_factory=set)
    referrals: dict[UUID, tuple[str, frozenset[str]]] = field(default_factory=dict)
    erased: bool = False

    def file(self) -> CaseFile:
        facts = [ReportFacts(("CHN",), "THA", False) for _ in self.reports]
        consents = [one for _, one in self.consents]
        referrals = list(self.referrals.values())
        return CaseFile(self.person_id, 1, self.erased, facts, consents, self.restrictions, referrals)


def partner_of(profile: Profile) -> Partner:
    names = ("agency", "kind", "country", "data_home")
    facts = {name: profile[name] for name in names}
    purposes, clearance = tuple(profile["purposes"]), tuple(profile["clearance"])
    accredited = profile.get("accredited", False)
    return Partner(
        **facts, purposes=purposes, clearance=clearance, accredited=accredited, suspended=False, revision=1
    )


@dataclass
class Reader:
    """A partner at its end: it keeps what it is given and lets go of what it is told to."""

    profile: Profile
    cursor: str | None = None
    kept: dict[str, Item] = field(default_factory=dict)

    async def read(self, scene: Scene) -> None:
        more = True
        while more:
            query = {"cursor": self.cursor} if self.cursor else {}
            page = (await scene.pull(self.profile, limit=1_000, **query)).json()
            self.cursor, more = page["cursor"], page["more"]
            for item in page["events"]:
                self._handle(item)

    def _handle(self, item: Item) -> None:
        data = item["data"]
        if "classes" in data:
            self.kept.pop(data["supersedes"], None)
            self.kept[item["id"]] = item | {"has": set(data["classes"])}
        elif item["type"] == RETRACTED:
            if data["retracted"] == "all":
                self.kept.pop(data["release"], None)
            elif data["release"] in self.kept:
                self.kept[data["release"]]["has"] -= set(data["retracted"])
        elif item["type"] == ERASED:
            self.kept = {i: k for i, k in self.kept.items() if k["subject"] != item["subject"]}

    def has(self, events_of: dict[int, UUID]) -> Content:
        return {events_of[int(item["sequence"])]: frozenset(item["has"]) for item in self.kept.values()}


class Stage:
    """One platform for all runs; each run is about persons of its own."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._runner = asyncio.Runner()
        self.scene: Scene

    def run(self, awaitable: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await awaitable

        return self._runner.run(awaited())

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        with self._runner:
            world_context = open_world(self._database)
            world: World = self.run(world_context.__aenter__())
            service = self.run(world.start(create_service, Settings))
            client_context = world.client(service)
            self.scene = Scene(world, service, self.run(client_context.__aenter__()))
            try:
                yield self
            finally:
                self.run(client_context.__aexit__(None, None, None))
                self.run(world_context.__aexit__(None, None, None))
