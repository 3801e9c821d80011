"""The three partners of the sample, and the consents stated with its list."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeward.client import feed
from homeward.client.credentials import Credentials, create
from homeward.client.session import Session

_BASIC = ["envelope", "status", "location_coarse", "person_identity"]
PARTNERS: list[dict[str, Any]] = [
    {
        "agency": "cn-police-liaison",
        "name": "Police liaison (synthetic)",
        "kind": "LawEnforcement",
        "country": "CHN",
        "data_home": "CHN",
        "purposes": ["search"],
        "clearance": [*_BASIC, "person_description", "evidence", "referral"],
        "accredited": False,
    },
    {
        "agency": "th-identification",
        "name": "Identification body (synthetic)",
        "kind": "CentralGovernmentOrganisation",
        "country": "THA",
        "data_home": "THA",
        "purposes": ["identification"],
        "clearance": [*_BASIC, "narrative", "assessment", "referral"],
        "accredited": False,
    },
    {
        "agency": "border-ngo",
        "name": "Border NGO (synthetic)",
        "kind": "NGO",
        "country": "THA",
        "data_home": "THA",
        "purposes": ["assistance"],
        "clearance": [*_BASIC, "person_description", "narrative", "reporter_identity", "referral"],
        "accredited": True,
    },
]

CONSENTS: list[dict[str, Any]] = [
    {
        "purpose": "search",
        "recipient": "cn-police-liaison",
        "classes": [*_BASIC, "person_description"],
        "given_by": "none_unreachable",
    },
    {
        "purpose": "identification",
        "recipient": "th-identification",
        "classes": [*_BASIC, "narrative"],
        "given_by": "none_unreachable",
    },
    {
        "purpose": "assistance",
        "recipient": "border-ngo",
        "classes": [*_BASIC, "person_description", "narrative", "reporter_identity"],
        "given_by": "none_unreachable",
    },
]
"""What the families of the list agreed to, as the organisation that sends it states it."""

RETRACTED = "homeward.release.retracted.v1"
ERASED = "homeward.subject.erased.v1"


@dataclass
class PartnerFeed:
    """One partner at its end of the feed."""

    profile: dict[str, Any]
    session: Session
    cursor: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def register(cls, profile: dict[str, Any], operator: Session, folder: Path) -> "PartnerFeed":
        """Make a key, have the operator register its public half."""
        path = folder / "credentials" / f"{profile['agency']}.json"
        jwk = create(path, operator.credentials.base_url, profile["agency"])
        operator.post("/v1/partners", {**profile, "public_jwk": jwk})
        return cls(profile, Session(Credentials.read(path)))

    @property
    def name(self) -> str:
        """The partner's id."""
        agency: str = self.profile["agency"]
        return agency

    def pull(self) -> list[dict[str, Any]]:
        """What came since the last time."""
        fresh: list[dict[str, Any]] = []
        for events, cursor in feed.pages(self.session, self.cursor):
            fresh += events
            self.cursor = cursor
        self.events += fresh
        return fresh

    def acknowledge(self) -> None:
        """Confirm all that was pulled."""
        if self.events:
            feed.acknowledge(self.session, int(self.events[-1]["sequence"]))

    def served_about(self, subject: str) -> list[dict[str, Any]]:
        """What the feed, read again from the beginning, still tells of somebody."""
        again = [event for events, _ in feed.pages(self.session) for event in events]
        return [event for event in again if event["subject"] == subject and "classes" in event["data"]]

    def figures(self) -> dict[str, Any]:
        """What this partner saw, and what was withheld of what it saw."""
        seen: Counter[str] = Counter()
        withheld: Counter[str] = Counter()
        for event in self.events:
            if "classes" in event["data"]:
                seen.update(event["data"]["classes"].keys())
                withheld.update(event["data"]["withheld"])
        return {
            "kind": self.profile["kind"],
            "country": self.profile["country"],
            "events": len(self.events),
            "last_seq": int(self.events[-1]["sequence"]) if self.events else 0,
            "classes": dict(sorted(seen.items())),
            "withheld": dict(sorted(withheld.items())),
        }
