"""A platform with partners on it, for tests: reports come in, people decide, partners read.

    scene = Scene(world, service, client)
    await scene.register(POLICE)
    about = report(consent(POLICE, *BASIC))
    person = await scene.known(about)
    assert shown(await scene.read(POLICE)) == ...

Everybody here is made up.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from harness.world import World
from homeward.common import jose
from homeward.common.contracts import (
    Event,
    FieldClass,
    PersonRegistered,
    ReportLinked,
    ReportReceived,
    StatedConsent,
)
from homeward.common.contracts.intake import GivenBy, Purpose
from homeward.common.contracts.verification import LinkBasis
from homeward.common.envelope import Received, topics_of
from homeward.common.ids import new_id
from homeward.common.parts import Service
from homeward.exchange.consumers import CONSUMERS
from homeward.exchange.freshness import Watch
from homeward.exchange.sweep import Sweeper

Profile = Mapping[str, Any]
Item = dict[str, Any]
"""A CloudEvent as a partner gets it."""

F = FieldClass
BASIC = (F.ENVELOPE, F.STATUS, F.LOCATION_COARSE, F.PERSON_IDENTITY)
_CLEARED = [*BASIC, F.PERSON_DESCRIPTION, F.NARRATIVE, F.REFERRAL, F.EVIDENCE, F.ASSESSMENT, F.HEALTH]

POLICE: Profile = {
    "agency": "cn-police",
    "name": "Police liaison",
    "kind": "LawEnforcement",
    "country": "CHN",
    "data_home": "CHN",
    "purposes": ["search"],
    "clearance": _CLEARED,
}
BODY: Profile = {
    "agency": "th-body",
    "name": "Identification body",
    "kind": "CentralGovernmentOrganisation",
    "country": "THA",
    "data_home": "THA",
    "purposes": ["identification"],
    "clearance": _CLEARED,
}
NGO: Profile = {
    "agency": "border-ngo",
    "name": "Border NGO",
    "kind": "NGO",
    "country": "THA",
    "data_home": "THA",
    "purposes": ["assistance"],
    "clearance": [*_CLEARED, F.REPORTER_IDENTITY, F.REPORTER_CONTACT, F.LOCATION_PRECISE],
    "accredited": True,
}

RETRACTED = "homeward.release.retracted.v1"
ERASED = "homeward.subject.erased.v1"
TOMBSTONE = "homeward.release.withdrawn.v1"


def report(*consents: StatedConsent, **said: Any) -> ReportReceived:
    """A report of an adult Chinese citizen lost in Thailand, with these consents stated."""
    return ReportReceived.model_validate(
        {
            "report_id": new_id(),
            "reporter_id": new_id(),
            "kind": "missing",
            "received_at": datetime(2025, 1, 7, 9, 0, tzinfo=UTC),
            "channel": "list",
            "full_name": "示例甲",
            "age": 24,
            "citizenship": ("CHN",),
            "last_known_country": "THA",
            "last_known_location": "Made-up Compound 7",
            "narrative": "Told of a job in Bangkok.",
            "police_case": "filed",
            "reporter_name": "示例乙",
            "reporter_contact": "+86 10 5555 0100",
            "consents": consents or None,
            **said,
        }
    )


def consent(
    to: Profile, *classes: FieldClass, given_by: str = "none_unreachable", **more: Any
) -> StatedConsent:
    """A consent as stated with a report, for the partner's first purpose."""
    purpose = Purpose(more.pop("purpose", to["purposes"][0]))
    return StatedConsent(
        purpose=purpose,
        recipient=to["agency"],
        classes=frozenset(classes or BASIC),
        given_by=GivenBy(given_by),
        **more,
    )


class Scene:
    """One exchange, seen from outside: its partners, its staff, and the services it follows."""

    def __init__(self, world: World, service: Service, client: httpx.AsyncClient) -> None:
        self.world = world
        self.service = service
        self._client = client
        self._watch = Watch(service.parts, topics_of(CONSUMERS))

    async def register(self, *profiles: Profile) -> None:
        """Register partners."""
        for profile in profiles:
            jwk = jose.public_jwk(jose.new_key())
            clearance = sorted(profile["clearance"])
            await self.staff("POST", "/v1/partners", {**profile, "clearance": clearance, "public_jwk": jwk})

    async def deliver(self, *events: Event) -> list[Received]:
        """Events of other services, in one batch."""
        return await self.world.deliver(self.service, *events)

    async def known(self, *reports: ReportReceived) -> UUID:
        """Deliver reports about one new person, and that they are; the person."""
        person_id = new_id()
        links = [
            PersonRegistered(person_id=person_id, report_id=about.report_id)
            if first
            else ReportLinked(person_id=person_id, report_id=about.report_id, basis=LinkBasis.REVIEW)
            for first, about in zip((True, *([False] * len(reports))), reports, strict=False)
        ]
        await self.deliver(*reports, *links)
        return person_id

    async def staff(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What staff are answered; AssertionError if it is no."""
        response = await self.ask(method, path, body, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """A request of staff who may do everything here."""
        token = self.world.verifier.token(
            "partners:read", "partners:write", "consents:read", "consents:write", "decisions:read",
            "policies:read", "policies:write",
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
            options["content"] = ascii_json(body)
        return await self._client.request(method, path, headers=headers, **options)

    async def withdraw(self, person_id: UUID, **which: Any) -> Any:
        """Withdraw consents."""
        return await self.staff("POST", "/v1/consents/withdrawals", {"person_id": str(person_id), **which})

    async def grant(self, person_id: UUID, to: Profile, *classes: FieldClass, **more: Any) -> Any:
        """Register a consent of the person."""
        body = {
            "person_id": str(person_id),
            "recipient": to["agency"],
            "purpose": to["purposes"][0],
            "classes": list(classes or BASIC),
            "given_by": "self",
            **more,
        }
        return await self.staff("POST", "/v1/consents", body)

    async def restrict(self, path: str, person_id: UUID, to: Profile) -> Any:
        """``/v1/holds`` and its like."""
        return await self.staff("POST", path, {"person_id": str(person_id), "recipient": to["agency"]})

    async def pull(self, who: Profile, **query: Any) -> httpx.Response:
        """One request of a partner, once exchange has taken a look at how far it has got."""
        await self._watch.step()
        return await self.partner(who, "GET", "/v1/events", params=query)

    async def partner(self, who: Profile, method: str, path: str, **options: Any) -> httpx.Response:
        """A request of a partner."""
        name = who["agency"]
        token = self.world.verifier.token(
            "events:read",
            "decisions:read",
            "webhooks:write",
            organisation=name,
            role="partner",
            client_id=name,
        )
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return await self._client.request(method, path, headers=headers, **options)

    async def read(self, who: Profile, cursor: str | None = None) -> list[Item]:
        """The whole feed of a partner from ``cursor`` on, which must be dense."""
        response = await self.pull(who, limit=1_000, **({"cursor": cursor} if cursor else {}))
        assert response.status_code == 200, response.text
        items: list[Item] = response.json()["events"]
        places = [int(item["sequence"]) for item in items]
        assert places == list(range(places[0], places[0] + len(places))) if places else True
        return items

    async def post_form(self, path: str, form: Mapping[str, Any], **headers: str) -> httpx.Response:
        """A form from somebody without a token."""
        return await self._client.post(path, data=dict(form), headers=headers)

    async def post_bytes(self, path: str, content: bytes, content_type: str) -> httpx.Response:
        """Anything from somebody without a token."""
        return await self._client.post(path, content=content, headers={"Content-Type": content_type})

    async def activate(self) -> None:
        """What the background does first of all: see that some policies are active."""
        await Sweeper(self.service.parts, self.service.parts.own["judge"]).activate()

    async def sweep(self, batch: int = 200, steps: int = 1_000) -> int:
        """Let the background catch up, ``batch`` persons a step and no more than ``steps``; how many steps it
        took."""
        sweeper = Sweeper(self.service.parts, self.service.parts.own["judge"], batch=batch)
        await sweeper.activate()
        taken = 0
        while taken < steps and await sweeper.step():
            taken += 1
        return taken

    async def explain(self, event_id: UUID | str, to: Profile) -> Any:
        """Why a partner sees what it sees of an event."""
        return await self.staff("GET", f"/v1/decisions/{event_id}?agency={to['agency']}")


def shown(items: Iterable[Item]) -> list[tuple[str, frozenset[str]]]:
    """What has content: type without ``homeward.`` and version, and classes."""
    return [
        (item["type"].removeprefix("homeward.").removesuffix(".v1"), frozenset(item["data"]["classes"]))
        for item in items
        if "classes" in item["data"]
    ]


def of_type(items: Iterable[Item], event_type: str) -> list[Item]:
    """Those of one type."""
    return [item for item in items if item["type"] == event_type]


def reports_in(items: Iterable[Item]) -> list[Item]:
    """Reports with content."""
    return of_type(items, ReportReceived.TYPE)


def classes(*names: FieldClass) -> frozenset[str]:
    """As :func:`shown` gives them."""
    return frozenset(str(name) for name in names)


def ascii_json(value: Any) -> bytes:
    """JSON that can carry half a surrogate pair, as httpx's own cannot."""
    return json.dumps(value, default=sorted).encode()


def without_ids(items: Sequence[Item]) -> list[Any]:
    """What is left of a feed when ids and times are taken out, by which two feeds compare."""
    return [_blank(item) for item in items]


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "…" if _names_one(name) else _blank(inner) for name, inner in value.items()}
    return value


def _names_one(name: str) -> bool:
    return name.endswith("_id") or name in {"id", "subject", "time", "release", "supersedes", "received_at"}
