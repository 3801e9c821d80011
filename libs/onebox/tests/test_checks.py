"""Every wrong that the demo can show is noticed: each check holds for what is right and for nothing else."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import pytest

from homeward.client.bundle import Verified
from homeward.client.credentials import Credentials
from homeward.client.lists import Imported
from homeward.client.session import Session
from homeward.onebox.demo import checks
from homeward.onebox.demo.figures import Figures
from homeward.onebox.demo.partners import ERASED, PARTNERS, RETRACTED, PartnerFeed

Event = dict[str, Any]


class NoSession(Session):
    """These partners have read already."""

    def __init__(self) -> None:
        """Nothing to connect to."""

    credentials: Credentials


def event(number: int, kind: str, subject: str, **classes: Any) -> Event:
    data: dict[str, Any] = {"classes": classes, "withheld": ["evidence"]} if classes else {}
    return {"sequence": f"{number:020}", "type": kind, "subject": subject, "data": data}


def feeds() -> list[PartnerFeed]:
    """Three partners who were shown two reports of two persons, each by their own ids."""
    found = []
    for profile in PARTNERS:
        own = profile["agency"]
        events = [
            event(1, checks.REPORT_RECEIVED, f"{own}-1", envelope={}, person_identity={}),
            event(2, checks.REPORT_RECEIVED, f"{own}-2", envelope={}),
            event(3, checks.CASE_OPENED, f"{own}-1", envelope={}, status={}),
            event(4, checks.CASE_OPENED, f"{own}-2", envelope={}, status={}),
            event(5, RETRACTED, f"{own}-1"),
            event(6, ERASED, f"{own}-2"),
        ]
        found.append(PartnerFeed(profile, NoSession(), events=events))
    return found


def wrongs(check: Callable[[Figures], None], **figures: int) -> list[str]:
    found = Figures(**figures)  # type: ignore[arg-type]
    check(found)
    return found.wrong


class TestImport:
    """Rows in, rows out."""

    GOOD = Imported(
        rows=3, accepted=2, rejected=1,
        errors=[{"row": 3, "field": "full_name"}, {"row": 1, "field": "age"}],
        results=[{"row": 1, "outcome": "accepted"}, {"row": 2, "outcome": "accepted"},
                 {"row": 3, "outcome": "rejected"}],
    )  # fmt: skip

    def wrongs(self, rows: int = 3, **changed: Any) -> list[str]:
        imported = deepcopy(self.GOOD)
        for name, value in changed.items():
            setattr(imported, name, value)
        return wrongs(lambda figures: checks.the_import(figures, imported, rows))

    def test_right(self) -> None:
        figures = Figures()
        checks.the_import(figures, self.GOOD, 3)
        assert (figures.reports, figures.rejected, figures.wrong) == (2, 1, [])

    def test_wrong(self) -> None:
        assert self.wrongs(rows=4) == ["rows were lost on import"]
        assert self.wrongs(accepted=1) == ["rows were lost on import"]
        assert self.wrongs(rows=4, accepted=3) == ["rows were lost on import"]
        assert self.wrongs(accepted=1, already_imported=1) == ["rows were lost on import"]
        assert self.wrongs(errors=[]) == ["a row was rejected without a reason"]
        assert self.wrongs(results=[]) == ["a row was rejected without a reason"]


class TestReading:
    """What partners were given of what came in."""

    COUNTS: ClassVar = {"reports": 2, "persons": 2, "erased": 0}

    def wrongs(self, partners: list[PartnerFeed], **counts: int) -> list[str]:
        return wrongs(lambda figures: checks.the_reading(figures, self.COUNTS | counts, partners), reports=2)

    def test_right(self) -> None:
        figures = Figures(reports=2)
        checks.the_reading(figures, self.COUNTS, feeds())
        assert (figures.persons, figures.cases, figures.wrong) == (2, 2, [])

    def test_wrong(self) -> None:
        assert self.wrongs(feeds(), reports=1) == ["verification does not have every report"]
        assert self.wrongs(feeds(), persons=3) == ["the NGO was not told of every person"]
        again = feeds()
        again[-1].events[2]["subject"] = again[-1].events[3]["subject"]
        assert self.wrongs(again) == ["there is not one case for each person"]

    @pytest.mark.parametrize(
        ("lost", "wrong"),
        [
            (0, "the NGO, whom every family trusts, was not given every report"),
            (2, "there is not one case for each person"),
        ],
    )
    def test_an_event_that_the_ngo_was_not_given(self, lost: int, wrong: str) -> None:
        partners = feeds()
        del partners[-1].events[lost]
        assert wrong in self.wrongs(partners)

    def test_two_partners_who_could_compare_notes(self) -> None:
        partners = feeds()
        partners[0].events[0]["subject"] = "th-identification-1"
        assert self.wrongs(partners) == [
            "cn-police-liaison and th-identification know people by the same ids"
        ]


class TestTakingBack:
    """Withdrawn or erased: told, and not served any more."""

    TOLD: ClassVar = [event(7, RETRACTED, "a"), event(8, ERASED, "b")]
    SERVED: ClassVar = [event(1, checks.REPORT_RECEIVED, "a", envelope={})]

    def withdrawn(self, subject: str, told: list[Event], served: list[Event]) -> list[str]:
        return wrongs(lambda figures: checks.the_withdrawal(figures, "ngo", subject, told, served))

    def erased(self, subject: str, told: list[Event], served: list[Event]) -> list[str]:
        return wrongs(lambda figures: checks.the_erasure(figures, "ngo", subject, told, served))

    def test_right(self) -> None:
        assert self.withdrawn("a", self.TOLD, []) == []
        assert self.erased("b", self.TOLD, []) == []

    def test_wrong(self) -> None:
        assert self.withdrawn("a", [], []) == ["ngo was not told of the withdrawal"]
        assert self.withdrawn("b", self.TOLD, []) == ["ngo was not told of the withdrawal"]
        assert self.withdrawn("a", self.TOLD, self.SERVED) == ["ngo still reads what was withdrawn"]
        assert self.erased("b", [], []) == ["ngo was not told of the erasure"]
        assert self.erased("a", self.TOLD, []) == ["ngo was not told of the erasure"]
        assert self.erased("b", self.TOLD * 2, []) == ["ngo was told twice of the erasure"]
        assert self.erased("b", self.TOLD, self.SERVED) == ["ngo still reads an erased person"]


class TestEnd:
    """A partner's feed as a whole."""

    REGISTERED: ClassVar = {"acked_seq": 6, "last_seq": 6}

    def wrongs(self, partner: PartnerFeed, **registered: int) -> list[str]:
        return wrongs(lambda figures: checks.the_end(figures, partner, self.REGISTERED | registered))

    def test_right(self) -> None:
        figures = Figures()
        for partner in feeds():
            checks.the_end(figures, partner, self.REGISTERED)
        assert figures.wrong == []
        assert figures.retractions == 3
        assert figures.partners["border-ngo"] == {
            "kind": "NGO", "country": "THA", "events": 6, "last_seq": 6,
            "classes": {"envelope": 4, "person_identity": 1, "status": 2}, "withheld": {"evidence": 4},
        }  # fmt: skip

    def test_wrong(self) -> None:
        partner = feeds()[0]
        assert self.wrongs(partner, acked_seq=5) == ["cn-police-liaison has not acknowledged all"]
        assert self.wrongs(partner, last_seq=7) == ["cn-police-liaison has not acknowledged all"]
        partner.events[1]["data"]["classes"]["narrative"] = {}
        assert self.wrongs(partner) == ["cn-police-liaison was shown too much"]

    @pytest.mark.parametrize("order", [[0, 2, 1, 3, 4, 5], [0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 5]])
    def test_a_feed_out_of_order_repeated_or_with_a_hole(self, order: list[int]) -> None:
        partner = feeds()[0]
        partner.events = [partner.events[place] for place in order]
        assert self.wrongs(partner) == ["cn-police-liaison's feed is not dense"]


class TestLog:
    """What the auditor found."""

    GOOD = Verified("log", 9, bytes(32), {"/a": 9}, gaps={}, repeated={})

    def wrongs(self, found: Verified | ValueError, *, proven: bool = True) -> list[str]:
        return wrongs(lambda figures: checks.the_log(figures, found, proven))

    def test_right(self) -> None:
        figures = Figures()
        checks.the_log(figures, self.GOOD, proven=True)
        assert (figures.wrong, figures.log) == ([], {"size": 9, "verified": True, "gaps": 0})

    def test_wrong(self) -> None:
        gap = Verified("log", 9, bytes(32), {"/a": 9}, gaps={"/a": [(3, 4)]}, repeated={})
        twice = Verified("log", 9, bytes(32), {"/a": 9}, gaps={}, repeated={"/a": [3]})
        assert self.wrongs(gap) == ["the log has gaps"]
        assert self.wrongs(twice) == ["the log has numbers that were given twice"]
        assert self.wrongs(self.GOOD, proven=False) == ["a receipt's event is not proven to be in the log"]
        figures = Figures()
        checks.the_log(figures, ValueError("cut"), proven=True)
        assert figures.wrong == ["the log does not verify: cut"]
        assert figures.log == {"size": 0, "verified": False, "gaps": 0}
