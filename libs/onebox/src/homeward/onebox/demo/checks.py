"""What must hold after each chapter of the story; what does not becomes a sentence of the figures.

Pure functions of what was seen from outside, so that a test can show that each wrong is noticed.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from homeward.client.bundle import Verified
from homeward.client.lists import Imported

from .figures import Figures
from .partners import ERASED, RETRACTED, PartnerFeed

CASE_OPENED = "homeward.case.opened.v1"
REPORT_RECEIVED = "homeward.report.received.v1"
Events = Sequence[Mapping[str, Any]]


def the_import(figures: Figures, imported: Imported, rows: int) -> None:
    """Every row of a list new to the platform is accepted or rejected, and a rejected one says why."""
    figures.reports, figures.rejected = imported.accepted, imported.rejected
    figures.check(imported.accepted + imported.rejected == imported.rows == rows, "rows were lost on import")
    rejected = {r["row"] for r in imported.results if r["outcome"] == "rejected"}
    figures.check(
        len(rejected) == imported.rejected and rejected <= {error["row"] for error in imported.errors},
        "a row was rejected without a reason",
    )


def the_reading(figures: Figures, counts: Mapping[str, int], partners: Sequence[PartnerFeed]) -> None:
    """The last partner, whom every family trusts, has every report and a case for each person; no two
    partners know anybody by the same id."""
    events = partners[-1].events
    received = [event["subject"] for event in events if event["type"] == REPORT_RECEIVED]
    opened = [event["subject"] for event in events if event["type"] == CASE_OPENED]
    figures.persons, figures.cases = len(set(received)), len(opened)
    figures.check(counts["reports"] == figures.reports, "verification does not have every report")
    figures.check(
        len(received) == figures.reports, "the NGO, whom every family trusts, was not given every report"
    )
    # Some may have been known before, but nobody is new of whom the NGO was not told.
    figures.check(counts["persons"] <= figures.persons, "the NGO was not told of every person")
    figures.check(sorted(opened) == sorted(set(received)), "there is not one case for each person")
    for one, other in combinations(partners, 2):
        shared = {event["subject"] for event in one.events} & {event["subject"] for event in other.events}
        figures.check(not shared, f"{one.name} and {other.name} know people by the same ids")


def the_withdrawal(figures: Figures, name: str, subject: str, told: Events, still_served: Events) -> None:
    """The partner was told, and the next read already obeys."""
    figures.check(
        any(event["type"] == RETRACTED and event["subject"] == subject for event in told),
        f"{name} was not told of the withdrawal",
    )
    figures.check(not still_served, f"{name} still reads what was withdrawn")


def the_erasure(figures: Figures, name: str, subject: str, told: Events, still_served: Events) -> None:
    """The partner was told once, and reads nothing of the person any more."""
    times = sum(event["type"] == ERASED and event["subject"] == subject for event in told)
    figures.check(
        times == 1,
        f"{name} was not told of the erasure" if not times else f"{name} was told twice of the erasure",
    )
    figures.check(not still_served, f"{name} still reads an erased person")


def the_end(figures: Figures, partner: PartnerFeed, registered: Mapping[str, Any]) -> None:
    """The partner's feed is dense and acknowledged, and never showed more than its clearance."""
    sequences = [int(event["sequence"]) for event in partner.events]
    figures.check(sequences == list(range(1, len(sequences) + 1)), f"{partner.name}'s feed is not dense")
    shown = partner.figures()
    figures.check(
        set(shown["classes"]) <= set(partner.profile["clearance"]), f"{partner.name} was shown too much"
    )
    figures.check(
        registered["acked_seq"] == registered["last_seq"] == len(sequences),
        f"{partner.name} has not acknowledged all",
    )
    figures.retractions += sum(event["type"] == RETRACTED for event in partner.events)
    figures.partners[partner.name] = shown


def the_log(figures: Figures, found: Verified | ValueError, proven: bool) -> None:
    """The log verifies, nothing is missing or given twice, and a receipt's event is proven to be in it."""
    if isinstance(found, ValueError):
        figures.log = {"size": 0, "verified": False, "gaps": 0}
        figures.check(False, f"the log does not verify: {found}")
        return
    gaps = sum(len(ranges) for ranges in found.gaps.values())
    figures.log = {"size": found.size, "verified": True, "gaps": gaps}
    figures.check(gaps == 0, "the log has gaps")
    figures.check(not found.repeated, "the log has numbers that were given twice")
    figures.check(proven, "a receipt's event is not proven to be in the log")
