"""What identifies a person, and what follows from it."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.common.contracts.verification import LinkBasis, TraffickingStatus
from homeward.verification.domain import (
    Key,
    Link,
    Register,
    comparable_name,
    decide,
    full_date,
    identifying_number,
    reason_is_due,
    strong_keys,
)

from .reports import report

A, B, C = (UUID(int=n) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("11010119900307123x", "11010119900307123X"),
        (" 110101 19900307 123X ", "11010119900307123X"),
        ("１１０１０１１９９００３０７１２３Ｘ", "11010119900307123X"),
        ("1-1037-02071-81-1", "1103702071811"),
        ("๑ ๑๐๓๗ ๐๒๐๗๑ ๘๑ ๑", "1103702071811"),
        ("e‑1234‑5678", "E12345678"),
        ("12/KaMaYa(N)123456", "12/KAMAYA(N)123456"),
    ],
)
def test_numbers_compare_whatever_their_spelling(written: str, compared: str) -> None:
    assert identifying_number(written) == compared


@pytest.mark.parametrize(
    "written",
    [None, "", "unknown", "无", "N/A", "-", "0", "000000000", "1234", "110101********1234",
     "110101XXXXXXXX1234", "110101××××××××1234", "11010119900307????", "1" * 201 + "2"],
)  # fmt: skip
def test_numbers_that_single_out_nobody_are_no_keys(written: str | None) -> None:
    assert identifying_number(written) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("WANG Xing", "wang  xing"),
        ("Ｗａｎｇ Ｘｉｎｇ", "Wang Xing"),
        ("王　星", "王 星"),
        ("Wang\u200b Xing", "Wang\tXing\n"),
        ("Straße", "STRASSE"),
        ("Zoë", "Zoe\u0308"),
    ],
)
def test_names_compare_whatever_their_spelling(one: str, other: str) -> None:
    assert comparable_name(one) == comparable_name(other) is not None


def test_names_of_two_scripts_do_not_compare() -> None:
    assert comparable_name("王星") != comparable_name("Wang Xing")


@pytest.mark.parametrize("written", [None, "", "  ", "???", "\u200b", "a" * 201])
def test_what_is_no_name_is_no_key(written: str | None) -> None:
    assert comparable_name(written) is None


@pytest.mark.parametrize(
    ("written", "day"),
    [("1990-03-07", "1990-03-07"), (" １９９０-０３-０７ ", "1990-03-07"), ("1990-03", None), ("1990", None),
     ("1990-02-30", None), ("07.03.1990", None), ("19900307", None), (None, None), ("1990-W10-3", None)],
)  # fmt: skip
def test_only_a_full_date_counts(written: str | None, day: str | None) -> None:
    assert full_date(written) == day


@given(st.text())
def test_normalising_twice_is_normalising_once(written: str) -> None:
    for normalise in (identifying_number, comparable_name, full_date):
        once = normalise(written)
        assert once is None or normalise(once) == once


@given(st.text(alphabet="0123456789XxＸ１２abc -\u00a0\u2011\u200b()./*", min_size=4))
def test_normalised_numbers_hold_no_spaces_or_hyphens(written: str) -> None:
    found = identifying_number(written)
    assert found is None or (found == found.upper() and not set(found) & set(" -\u00a0\u2011\u200b*"))


def test_a_report_has_a_key_of_each_basis_the_surest_first() -> None:
    said = report(
        full_name="王星",
        date_of_birth="1990-03-07",
        id_number="11010119900307123X",
        passport_number="E12345678",
    )
    assert [key.text for key in strong_keys(said)] == [
        "id_number:11010119900307123X",
        "passport_number:E12345678",
        "name_and_date_of_birth:王星|1990-03-07",
    ]


def test_a_name_alone_or_a_year_is_no_strong_key() -> None:
    assert strong_keys(report(full_name="王星")) == []
    assert strong_keys(report(full_name="王星", date_of_birth="1990")) == []
    assert strong_keys(report(date_of_birth="1990-03-07")) == []


def test_one_number_as_identity_and_as_passport_number_are_two_keys() -> None:
    assert not set(strong_keys(report(id_number="E12345678"))) & set(
        strong_keys(report(passport_number="E12345678"))
    )


ID, PASSPORT = Key(LinkBasis.ID_NUMBER, "1"), Key(LinkBasis.PASSPORT_NUMBER, "2")
NAME = Key(LinkBasis.NAME_AND_DATE_OF_BIRTH, "3")


def test_nobody_found_is_somebody_new() -> None:
    assert decide([ID, NAME], {}) == Register()
    assert decide([], {ID.text: {A}}) == Register()
    assert decide([ID], {ID.text: set()}) == Register()


def test_of_several_persons_the_first_registered_takes_the_report() -> None:
    assert decide([ID, PASSPORT], {ID.text: {C, B}, PASSPORT.text: {A}}) == Link(A, PASSPORT.basis)


def test_the_surest_key_is_the_basis() -> None:
    assert decide([ID, PASSPORT, NAME], {PASSPORT.text: {A}, NAME.text: {A}}) == Link(A, PASSPORT.basis)


@given(
    st.dictionaries(st.sampled_from([ID.text, PASSPORT.text, NAME.text]), st.sets(st.uuids())), st.randoms()
)
def test_a_decision_depends_on_who_is_found_not_on_the_order(
    found: dict[str, set[UUID]], order: random.Random
) -> None:
    keys = [ID, PASSPORT, NAME]
    decision = decide(keys, found)
    names = list(found)
    order.shuffle(names)
    again = {name: order.sample(sorted(found[name]), len(found[name])) for name in names}
    assert decide(keys, again) == decision
    everybody = set().union(*found.values())
    assert isinstance(decision, Register) == (not everybody)
    if isinstance(decision, Link):
        assert decision.person_id == min(everybody)


def test_only_that_somebody_is_no_victim_needs_a_reason() -> None:
    assert [s for s in TraffickingStatus if reason_is_due(s)] == [TraffickingStatus.NOT]
