"""People as a partner's events tell of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from homeward.common.contracts import (
    CaseClosed,
    CaseOpened,
    ReferralOpened,
    ReportReceived,
    StatusAsserted,
)


@dataclass(frozen=True)
class Said:
    """One event: its id, when it was released, and its fields of all released classes."""

    id: str
    at: str
    fields: Mapping[str, Any]


@dataclass
class Told:
    """All that a partner was told of one person, by the partner's own id; each in the feed's order."""

    person: str
    reports: list[Said] = field(default_factory=list)
    statuses: list[Said] = field(default_factory=list)
    cases: list[Said] = field(default_factory=list)
    referrals: list[Said] = field(default_factory=list)

    def first(self, name: str) -> Any:
        """What the first report says that says anything of it; None if none does."""
        return next((s.fields[name] for s in self.reports if s.fields.get(name) not in (None, "")), None)


_KINDS = {
    ReportReceived.TYPE: "reports",
    StatusAsserted.TYPE: "statuses",
    CaseOpened.TYPE: "cases",
    CaseClosed.TYPE: "cases",
    ReferralOpened.TYPE: "referrals",
}


def people(events: Sequence[Mapping[str, Any]]) -> list[Told]:
    """By person, in the order in which they come first."""
    known: dict[str, Told] = {}
    for event in events:
        told = known.setdefault(event["subject"], Told(event["subject"]))
        if (kind := _KINDS.get(event["type"])) and "classes" in event["data"]:
            fields = {name: v for said in event["data"]["classes"].values() for name, v in said.items()}
            getattr(told, kind).append(Said(event["id"], event["time"], fields))
    return list(known.values())
