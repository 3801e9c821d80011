"""What is remembered of answers: by all that policies may ask about, and only while the partners stay."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeward.common.contracts import FieldClass
from homeward.common.ids import new_id
from homeward.exchange.domain import CaseEvent, CaseFile, Consent, ReportFacts, situation
from homeward.exchange.judge import Judge
from homeward.exchange.policies import PolicySet

from .model import partner_of
from .scene import NGO, POLICE

F = FieldClass
NOW = datetime(2025, 1, 7, 9, 30, tzinfo=UTC)
JUDGE = Judge(PolicySet.packaged(), "THA")
PARTNERS = (partner_of(NGO), partner_of(POLICE))
CONSENT = Consent(NGO["agency"], "assistance", frozenset({"envelope", "status"}), "self", None, None)


def an_event(**more: Any) -> CaseEvent:
    return CaseEvent(new_id(), "homeward.test.v1", None, None, frozenset({F.ENVELOPE, F.STATUS}))._replace(
        **more
    )


def a_file(**more: Any) -> CaseFile:
    facts = [ReportFacts(("CHN",), "THA", False)]
    return CaseFile(new_id(), 1, False, facts, [CONSENT], set(), [])._replace(**more)


def test_what_is_alike_is_asked_once() -> None:
    answers = JUDGE.answers(PARTNERS)
    first = answers[situation(a_file(), an_event(), NOW)]
    assert answers[situation(a_file(revision=7), an_event(report_id=new_id()), NOW)] is first
    assert [answer.partner for answer in first] == list(PARTNERS)
    assert first[0].verdict.classes == {F.ENVELOPE, F.STATUS}


ELSEWISE = [
    (a_file(erased=True), an_event()),
    (a_file(reports=[ReportFacts(("CHN",), "THA", True)]), an_event()),
    (a_file(consents=[]), an_event()),
    (a_file(consents=[CONSENT._replace(expires_at=NOW)]), an_event()),
    (a_file(consents=[CONSENT._replace(report_id=new_id())]), an_event(report_id=new_id())),
    (a_file(restrictions={(NGO["agency"], "hold")}), an_event()),
    (a_file(referrals=[(NGO["agency"], frozenset({"envelope"}))]), an_event()),
    (a_file(), an_event(erased=True)),
    (a_file(), an_event(classes=frozenset({F.ENVELOPE}))),
    (a_file(), an_event(addressee=NGO["agency"])),
]


@pytest.mark.parametrize(("file", "event"), ELSEWISE)
def test_what_is_not_alike_is_another_situation(file: CaseFile, event: CaseEvent) -> None:
    assert situation(file, event, NOW) != situation(a_file(), an_event(), NOW)


def test_a_consent_that_ends_makes_another_situation_when_it_has() -> None:
    file = a_file(consents=[CONSENT._replace(expires_at=NOW)])
    assert situation(file, an_event(), NOW - timedelta(seconds=1)) == situation(a_file(), an_event(), NOW)
    assert situation(file, an_event(), NOW) == situation(a_file(consents=[]), an_event(), NOW)


def test_other_partners_are_asked_about_anew() -> None:
    about = situation(a_file(), an_event(), NOW)
    JUDGE.answers(PARTNERS)[about]
    narrowed = replace(PARTNERS[0], clearance=("envelope",), revision=2)
    answers = JUDGE.answers((narrowed, PARTNERS[1]))
    assert about not in answers
    assert answers[about][0].verdict.classes == {F.ENVELOPE}
    assert JUDGE.answers((narrowed, PARTNERS[1])) is answers
