"""The country of a place: told only where it is certain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.intake.places import country_of


@pytest.mark.parametrize(
    ("location", "country"),
    [
        ("Myawaddy", "MMR"),
        ("MYAWADDY, KK Park", "MMR"),
        ("Shwe Kokko", "MMR"),
        ("shwe-kokko", "MMR"),
        ("ＫＫ Ｐａｒｋ", "MMR"),
        ("KKPark2", "MMR"),
        ("KK Park 3", "MMR"),
        ("缅甸妙瓦底", "MMR"),
        ("妙瓦底KK园区", "MMR"),
        ("緬甸 水溝谷", "MMR"),
        ("缅北老街", "MMR"),
        ("果敢老街", "MMR"),
        ("เมียวดี", "MMR"),
        ("ရွှေကုက္ကို", "MMR"),
        ("Mae Sot", "THA"),
        ("near Mae-Sot hospital", "THA"),
        ("曼谷机场", "THA"),
        ("แม่สอด", "THA"),
        ("Sihanoukville", "KHM"),
        ("金三角经济特区", "LAO"),
        ("Laos", "LAO"),
    ],
)
def test_places_that_reports_name_most(location: str, country: str) -> None:
    assert country_of(location) == country


@pytest.mark.parametrize(
    "location",
    [
        "",
        "unknown",
        "广州",
        "Mae Sot, then Myawaddy",  # two countries
        "泰缅边境",
        "Palaos",  # Palau, in French: a name within another is not that name
        "Thailandia Street, Rome",
        "成都老街",  # an old street
        "越南老街",  # Lào Cai
        "老街",
        "金三角",  # where three countries meet
        "Golden Triangle",
    ],
)
def test_where_it_is_not_certain_nothing_is_concluded(location: str) -> None:
    assert country_of(location) is None


@given(st.text())
def test_any_text_is_no_place_or_one_of_a_few_countries(location: str) -> None:
    assert country_of(location) in {None, "MMR", "THA", "KHM", "LAO"}
