"""What a change in a feed is, whom a consent covers, who is a child. No database."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.common.contracts import FieldClass
from homeward.common.ids import new_id
from homeward.exchange.domain import (
    CaseEvent,
    CaseFile,
    Consent,
    Live,
    ReportFacts,
    is_child,
    notice_for,
    order_of,
    plan,
)

F = FieldClass
NOW = datetime(2025, 1, 7, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
some_classes = st.frozensets(st.sampled_from(list(F)))


def live(classes: frozenset[F], *, withdrawn: bool = False, generation: int = 1) -> Live:
    return Live(new_id(), 7, generation, classes, withdrawn, new_id(), "snapshot")


held_before = st.none() | st.builds(live, some_classes, withdrawn=st.booleans(), generation=st.integers(1, 9))


@given(before=held_before, wanted=some_classes, moved=st.booleans())
def test_a_plan_leads_from_what_is_held_to_what_is_wanted(
    before: Live | None, wanted: frozenset[F], moved: bool
) -> None:
    held = before.classes if before and not before.withdrawn else frozenset[F]()
    change = plan(before, wanted, moved=moved)
    if change is None:
        assert held == wanted
        return
    left = frozenset[F]() if change.withdraw else held - change.lost
    assert change.lost <= held
    assert (change.release or left) == wanted
    assert change.lost or change.release, "what changes nothing is not told"


@given(before=held_before, wanted=some_classes)
def test_a_class_lost_is_always_retracted(before: Live | None, wanted: frozenset[F]) -> None:
    held = before.classes if before and not before.withdrawn else frozenset[F]()
    change = plan(before, wanted)
    assert (change.lost if change else frozenset()) == held - wanted


@given(before=held_before, wanted=some_classes)
def test_what_moved_is_taken_back_whole_and_told_anew(before: Live | None, wanted: frozenset[F]) -> None:
    held = before.classes if before and not before.withdrawn else frozenset[F]()
    change = plan(before, wanted, moved=True)
    if held:
        assert change is not None
        assert change.withdraw
        assert (change.lost, change.release, change.supersedes) == (held, wanted, None)


@given(before=held_before, wanted=some_classes)
def test_a_new_release_is_a_new_generation(before: Live | None, wanted: frozenset[F]) -> None:
    change = plan(before, wanted)
    if change and change.release:
        assert change.generation == (before.generation if before else 0) + 1


ENVELOPE, IDENTITY, STATUS = F.ENVELOPE, F.PERSON_IDENTITY, F.STATUS


def test_widening_supersedes() -> None:
    before = live(frozenset({ENVELOPE}))
    change = plan(before, frozenset({ENVELOPE, IDENTITY}))
    assert change is not None
    assert (change.lost, change.withdraw, change.supersedes) == (frozenset(), False, before.release_id)


def test_narrowing_releases_nothing_anew() -> None:
    change = plan(live(frozenset({ENVELOPE, IDENTITY})), frozenset({ENVELOPE}))
    assert change is not None
    assert (change.lost, change.withdraw) == (frozenset({IDENTITY}), False)
    assert (change.release, change.supersedes) == (frozenset(), None)


def test_losing_some_and_gaining_others_does_both() -> None:
    before = live(frozenset({ENVELOPE, IDENTITY}))
    change = plan(before, frozenset({ENVELOPE, STATUS}))
    assert change is not None
    assert (change.lost, change.withdraw) == (frozenset({IDENTITY}), False)
    assert (change.release, change.supersedes) == (frozenset({ENVELOPE, STATUS}), before.release_id)


def test_what_was_withdrawn_comes_back_as_something_new() -> None:
    before = live(frozenset({ENVELOPE}), withdrawn=True, generation=2)
    change = plan(before, frozenset({ENVELOPE}))
    assert change is not None
    assert (change.release, change.generation, change.supersedes) == (frozenset({ENVELOPE}), 3, None)


A, B = new_id(), new_id()


def event(report_id: UUID | None) -> CaseEvent:
    return CaseEvent(new_id(), "homeward.test.v1", report_id, None, frozenset({ENVELOPE}))


def consent(report_id: UUID | None = None, expires_at: datetime | None = None) -> Consent:
    return Consent("ngo", "assistance", frozenset({"envelope"}), "self", report_id, expires_at)


@pytest.mark.parametrize(
    ("stated_with", "speaks_of", "covered"),
    [
        (A, A, True),
        (A, B, False),
        (A, None, True),
        (None, A, True),
        (None, None, True),
    ],
    ids=["its report", "another family's report", "the case", "the person's own", "the person's own, case"],
)
def test_a_consent_covers(stated_with: UUID | None, speaks_of: UUID | None, covered: bool) -> None:
    assert consent(stated_with).covers(event(speaks_of), NOW) is covered


def test_a_consent_ends_at_its_very_end() -> None:
    assert consent(expires_at=NOW + timedelta(microseconds=1)).covers(event(None), NOW)
    assert not consent(expires_at=NOW).covers(event(None), NOW)


def file(*consents: Consent) -> CaseFile:
    return CaseFile(new_id(), 1, False, [ReportFacts(("CHN",), "MMR", False)], consents, (), ())


def test_a_decision_holds_until_the_first_consent_for_the_agency_ends() -> None:
    ends = [NOW + 3 * HOUR, NOW + HOUR, NOW - HOUR, NOW]
    consents = [*(consent(expires_at=end) for end in ends), consent()]
    assert file(*consents).valid_until("ngo", NOW) == NOW + HOUR
    assert file(*consents).valid_until("police", NOW) is None
    assert file(consent()).valid_until("ngo", NOW) is None


TODAY = date(2025, 1, 7)


@pytest.mark.parametrize(
    ("born", "age", "child"),
    [
        (None, None, False),
        (None, 17, True),
        (None, 18, False),
        (None, 0, True),
        ("2007-01-07", None, False),
        ("2007-01-08", None, True),
        ("2007-01", None, True),
        ("2006-12", None, False),
        ("2007", None, True),
        ("2006", None, False),
        ("2004-02-29", None, False),
        ("1990-05-03", 16, True),
        ("2010-05-03", 30, True),
    ],
)
def test_a_child_is_whoever_may_be_under_18(born: str | None, age: int | None, child: bool) -> None:
    assert is_child(born, age, TODAY) is child


def test_on_the_29th_of_february_nobody_is_of_age_too_early() -> None:
    assert is_child("2004-02-29", None, date(2022, 2, 28))
    assert not is_child("2004-02-29", None, date(2022, 3, 1))


@pytest.mark.parametrize("written", ["about 2010", "2010年", "05/2010", "", "-", "2010-x", "2010-01-01-01"])
def test_a_date_that_cannot_be_read_does_not_stop_the_report(written: str) -> None:
    assert is_child(written, None, TODAY) is bool(written)
    assert not is_child(written, 40, TODAY)


@pytest.mark.parametrize("field", ["age", "date_of_birth"])
def test_who_may_be_a_child_by_what_cannot_be_read_is_taken_for_one(field: str) -> None:
    assert is_child(None, None, TODAY, [field])
    assert not is_child("1990-05-03", None, TODAY, ["age"])
    assert not is_child(None, 40, TODAY, ["date_of_birth"])
    assert not is_child(None, None, TODAY, ["citizenship"])


@given(
    born=st.dates(date(1950, 1, 1), date(2024, 12, 31)),
    on=st.dates(date(2025, 1, 1), date(2030, 1, 1)),
    known=st.integers(1, 3),
)
def test_less_known_of_a_birthday_never_makes_an_adult_of_a_child(born: date, on: date, known: int) -> None:
    parts = born.isoformat().split("-")
    if is_child(born.isoformat(), None, on):
        assert is_child("-".join(parts[:known]), None, on)


def test_events_stand_in_order_across_a_restore() -> None:
    at = [("/homeward/verification/0/1", 900), ("/homeward/verification/0/2", 3)]
    assert order_of(*at[0]) < order_of(*at[1])
    assert order_of("/homeward/verification/0/1", 9) < order_of("/homeward/verification/0/1", 10)


def test_governments_are_reminded_that_victims_are_not_punished() -> None:
    assert "not to be punished" in (notice_for("LawEnforcement") or "")
    assert notice_for("CentralGovernmentOrganisation") == notice_for("LawEnforcement")
    assert notice_for("NGO") is None
