"""How people are written down for other systems, from events as a partner gets them."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from homeward.common.contracts import CaseClosed, CaseOpened, ReferralOpened, ReportReceived, StatusAsserted
from homeward.exchange.formats import FORMATS, Occasion, write
from homeward.exchange.formats.htcds import COLUMNS
from homeward.exchange.formats.pfif import NAMESPACE

ON = Occasion(datetime(2025, 1, 9, 8, tzinfo=UTC), "homeward.example", None)
IDENTITY = {
    "full_name": "示例甲",
    "sex": "M",
    "date_of_birth": "2001-03",
    "citizenship": ["CHN", "THA"],
    "phone": "+86 10 5555 0100",
}


def event(kind: str, subject: str = "p1", id: str = "e1", **classes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "type": kind,
        "subject": subject,
        "time": "2025-01-08T07:00:00.123456+00:00",
        "data": {"classes": {"envelope": {"kind": "missing"}, **classes}},
    }


def rows(*events: Mapping[str, Any]) -> list[dict[str, str]]:
    content = write(FORMATS["htcds"], events, ON)
    assert content.count(b"\r\n") == content.count(b"\n")
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def said(row: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value}


def records(*events: Mapping[str, Any], on: Occasion = ON) -> list[tuple[str, dict[str, str | None]]]:
    root = ElementTree.fromstring(write(FORMATS["pfif"], events, on))
    assert root.tag == f"{{{NAMESPACE}}}pfif"
    return [(_name(e), {_name(field): field.text for field in e}) for e in root]


def _name(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


class TestHtcds:
    """A row a person, in the standard's 37 columns."""

    def test_the_columns_are_the_standards(self) -> None:
        content = write(FORMATS["htcds"], [], ON).decode()
        assert content == ",".join(COLUMNS) + "\r\n"
        assert len(COLUMNS) == len(set(COLUMNS)) == 37
        assert COLUMNS[0] == "cas_CaseOwner"
        assert COLUMNS[18] == "vic_TraffickinStatusDecisionMakingOrg"
        assert COLUMNS[-1] == "cas_ReasonForCaseClosure"

    def test_a_person_is_a_row(self) -> None:
        [row] = rows(
            event(ReportReceived.TYPE, person_identity=IDENTITY, person_description={"home_city": "成都"}),
            event(CaseOpened.TYPE, status={"case_status": "Active"}),
            event(
                StatusAsserted.TYPE,
                status={"trafficking_status": "PossibleVictimOfTrafficking", "deciding_organisation": "NGO"},
            ),
            event(ReferralOpened.TYPE, referral={"services": ["shelter", "medical_care"], "priority": "24h"}),
            event(CaseClosed.TYPE, status={"case_status": "Closed", "reason": "returned"}),
        )
        assert said(row) == {
            "prs_FirstName": "示例甲",
            "prs_Birthdate": "2001-03",
            "prs_Gender": "Masculine",
            "prs_Citizenship": "CHN;THA",
            "prs_MobilePhone": "+86 10 5555 0100",
            "prs_MailingCity": "成都",
            "vic_TraffickingStatus": "PossibleVictimOfTrafficking",
            "vic_TraffickinStatusDecisionMakingOrg": "NGO",
            "cas_Status": "Closed",
            "cas_IncomingReferralDate": "2025-01-08",
            "cas_ReasonForIncomingReferral": "shelter;medical_care",
            "cas_IncomingReferralDetails": "24h",
            "cas_ReasonForCaseClosure": "returned",
        }

    def test_several_reports_of_one_person_make_one_row(self) -> None:
        first = event(ReportReceived.TYPE, person_identity={"full_name": "甲"})
        second = event(ReportReceived.TYPE, person_identity={"full_name": "乙", "sex": "F"})
        other = event(ReportReceived.TYPE, subject="p2", person_identity={"full_name": "丙"})
        assert [said(row) for row in rows(first, other, second)] == [
            {"prs_FirstName": "甲", "prs_Gender": "Feminine"},
            {"prs_FirstName": "丙"},
        ]

    def test_the_newest_assertion_counts_whenever_it_came(self) -> None:
        [row] = rows(
            event(
                StatusAsserted.TYPE,
                status={"trafficking_status": "ActualVictimOfTrafficking", "asserted_at": "2025-02-01"},
            ),
            event(
                StatusAsserted.TYPE,
                status={"trafficking_status": "PossibleVictimOfTrafficking", "asserted_at": "2025-01-01"},
            ),
        )
        assert row["vic_TraffickingStatus"] == "ActualVictimOfTrafficking"

    def test_what_is_not_released_is_blank(self) -> None:
        assert [said(row) for row in rows(event(ReportReceived.TYPE))] == [{}]

    @pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+cmd", "-1+1", "\tx"])
    def test_no_cell_is_a_formula(self, name: str) -> None:
        [row] = rows(event(ReportReceived.TYPE, person_identity={"full_name": name}))
        assert row["prs_FirstName"] == f"'{name}"

    def test_quotes_commas_and_lines_come_back_as_they_were(self) -> None:
        name = 'a, "b"\r\nc'
        [row] = csv.DictReader(
            io.StringIO(
                write(
                    FORMATS["htcds"],
                    [event(ReportReceived.TYPE, person_identity={"full_name": name})],
                    ON,
                ).decode(),
                newline="",
            )
        )
        assert row["prs_FirstName"] == name


class TestPfif:
    """A record a person, and notes."""

    def test_a_person_and_what_was_said_of_it(self) -> None:
        [(kind, person), (_, note), (_, status)] = records(
            event(
                ReportReceived.TYPE,
                person_identity={**IDENTITY, "alternate_names": ["小甲"], "age": 23},
                person_description={"physical_description": "tall"},
                narrative={"narrative": "Told of a job.", "appeal": "Help."},
                location_precise={"last_known_location": "Made-up Compound 7"},
                reporter_identity={"reporter_name": "示例乙"},
                reporter_contact={"reporter_contact": "b@example.org"},
            ),
            event(
                StatusAsserted.TYPE,
                id="e2",
                status={"trafficking_status": "ActualVictimOfTrafficking", "deciding_organisation": "Police"},
            ),
        )
        assert (kind, person) == (
            "person",
            {
                "person_record_id": "homeward.example/person.p1",
                "entry_date": "2025-01-09T08:00:00Z",
                "author_name": "示例乙",
                "author_email": "b@example.org",
                "source_name": "homeward.example",
                "source_date": "2025-01-08T07:00:00Z",
                "full_name": "示例甲",
                "alternate_names": "小甲",
                "description": "tall",
                "sex": "male",
                "date_of_birth": "2001-03",
                "age": "23",
            },
        )
        assert note == {
            "note_record_id": "homeward.example/note.e1",
            "person_record_id": "homeward.example/person.p1",
            "entry_date": "2025-01-08T07:00:00Z",
            "author_name": "示例乙",
            "author_email": "b@example.org",
            "source_date": "2025-01-08T07:00:00Z",
            "status": "information_sought",
            "last_known_location": "Made-up Compound 7",
            "text": "Told of a job.\n\nHelp.",
        }
        assert (status["text"], status["author_name"]) == (
            "ActualVictimOfTrafficking (Police)",
            "homeward.example",
        )

    def test_who_reported_and_where_are_blank_unless_released(self) -> None:
        [(_, person), (_, note)] = records(
            event(ReportReceived.TYPE, person_identity=IDENTITY, narrative={"narrative": "Gone."})
        )
        assert not {"author_name", "author_email", "author_phone"} & person.keys()
        assert not {"author_email", "author_phone", "last_known_location"} & note.keys()

    def test_whose_name_is_not_released_is_not_in_it(self) -> None:
        assert records(event(ReportReceived.TYPE, narrative={"narrative": "Gone."})) == []

    def test_names_that_reports_differ_in_are_told(self) -> None:
        [(_, person)] = records(
            event(ReportReceived.TYPE, person_identity={"full_name": "甲"}),
            event(ReportReceived.TYPE, person_identity={"full_name": "乙", "alternate_names": ["甲", "丙"]}),
        )
        assert (person["full_name"], person["alternate_names"]) == ("甲", "乙\n丙")

    @pytest.mark.parametrize(
        ("written", "read"),
        [("a<b>&\"'", "a<b>&\"'"), ("line\r\nbreak", "line\r\nbreak"), ("\x0b\ud800x", "\ufffd\ufffdx")],
        ids=["markup", "line breaks", "what XML cannot hold"],
    )
    def test_whatever_is_in_a_name(self, written: str, read: str) -> None:
        [(_, person)] = records(event(ReportReceived.TYPE, person_identity={"full_name": written}))
        assert person["full_name"] == read

    def test_a_date_that_is_none_is_left_out(self) -> None:
        [(_, person)] = records(
            event(ReportReceived.TYPE, person_identity={"full_name": "甲", "date_of_birth": "about 2001"})
        )
        assert "date_of_birth" not in person

    def test_each_record_is_a_line_and_a_notice_comes_first(self) -> None:
        on = Occasion(ON.at, ON.host, "Not to be punished.")
        events = [
            event(ReportReceived.TYPE, person_identity={"full_name": "a\nb"}, narrative={"narrative": "c\nd"})
        ]
        lines = write(FORMATS["pfif"], events, on).decode().splitlines()
        assert len(lines) == 4
        assert "<!-- Not to be punished. -->" in lines[0]
        assert (lines[1][:12], lines[2][:10], lines[3]) == ("<pfif:person", "<pfif:note", "</pfif:pfif>")
