"""The sample list is what its generator says, and nobody could take it for a list of real people."""

import csv
import re
import unicodedata
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from homeward.onebox.sample import generate as sample
from homeward.onebox.sample.draw import Draw
from homeward.onebox.sample.people import AS_OF, check_character, draw_people, identity_number
from homeward.onebox.sample.texts import MARK, UNUSABLE_NAMES

CANONICAL = (
    "kind,reporter_reference,full_name,alternate_names,sex,date_of_birth,age,id_number,passport_number,phone,"
    "wechat,citizenship,home_province,home_city,last_known_location,missing_since,physical_description,"
    "narrative,appeal,police_case,reporter_name,reporter_relationship,reporter_contact,source_list"
)
DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


@pytest.fixture(scope="module")
def rows() -> list[sample.Row]:
    return sample.generate()


@pytest.fixture(scope="module")
def listed() -> list[dict[str, str]]:
    """The committed file, as somebody reads it who knows nothing of the generator."""
    with sample.COMMITTED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def half_width(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def filled(listed: list[dict[str, str]], column: str) -> list[str]:
    return [row[column] for row in listed if row[column]]


def has_letter(name: str) -> bool:
    return any(character.isalpha() for character in name)


def test_committed_list_is_what_the_generator_makes(tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    sample.main(["--out", str(again)])
    assert again.read_bytes() == sample.COMMITTED.read_bytes()


def test_header_is_the_canonical_one_and_lines_end_in_lf() -> None:
    written = sample.COMMITTED.read_bytes()
    assert written.decode("utf-8").split("\n", 1)[0] == CANONICAL
    assert b"\r" not in written


def test_size_and_truth(rows: list[sample.Row], listed: list[dict[str, str]]) -> None:
    assert [row.cells for row in rows] == listed
    assert len(rows) == 1800
    times = Counter(row.person for row in rows)
    assert 1050 <= len(times) <= 1150
    assert (min(times.values()), max(times.values())) == (1, 6)


def test_every_row_is_distinct_even_without_its_reference(listed: list[dict[str, str]]) -> None:
    told = {tuple(cell for column, cell in row.items() if column != "reporter_reference") for row in listed}
    assert len(told) == len(listed)


def test_references_are_unique_and_some_are_absent(listed: list[dict[str, str]]) -> None:
    references = filled(listed, "reporter_reference")
    assert len(set(references)) == len(references)
    assert 0.88 < len(references) / len(listed) < 0.98


def test_exactly_six_names_are_unusable_and_nobody_is_lost_with_them(rows: list[sample.Row]) -> None:
    spoilt = [row for row in rows if not has_letter(row.cells["full_name"])]
    assert sorted(row.cells["full_name"] for row in spoilt) == sorted(UNUSABLE_NAMES)
    assert len(spoilt) == 6
    named = {row.person for row in rows if has_letter(row.cells["full_name"])}
    assert {row.person for row in spoilt} <= named


def test_every_row_says_that_it_is_synthetic(listed: list[dict[str, str]]) -> None:
    assert all(row["source_list"].startswith("SYNTHETIC ") for row in listed)
    assert all(text.endswith(MARK) for text in filled(listed, "narrative"))
    assert all(text.endswith(MARK) for text in filled(listed, "reporter_name"))


def test_numbers_and_contacts_belong_to_nobody(listed: list[dict[str, str]]) -> None:
    made_up = re.compile(r"wx_synthetic_\d+|[\w-]+@example\.org|不详")
    for contact in map(half_width, filled(listed, "phone") + filled(listed, "reporter_contact")):
        assert made_up.fullmatch(contact) or "0000" in re.sub(r"\D", "", contact)
    assert all(re.fullmatch(r"X000\d{4}|unknown", text) for text in filled(listed, "passport_number"))
    assert all(text.startswith("wx_synthetic_") for text in filled(listed, "wechat"))


def test_identity_numbers_are_well_formed_in_an_impossible_district(
    listed: list[dict[str, str]],
) -> None:
    numbers = [half_width(text).replace(" ", "").upper() for text in filled(listed, "id_number")]
    readable = [number for number in numbers if number[0].isdigit()]
    assert 0.2 < len(readable) / len(listed) < 0.3
    for number in readable:
        assert re.fullmatch(r"999999\d{11}[\dX]", number)
        date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")
        values = [10 if digit == "X" else int(digit) for digit in number]
        assert sum(value * 2 ** (17 - at) for at, value in enumerate(values)) % 11 == 1


def test_no_two_people_share_an_identity_number() -> None:
    numbers = [person.id_number for person in draw_people(Draw(1), 5000) if person.id_number]
    assert len(set(numbers)) == len(numbers)


def test_check_character_agrees_with_the_published_example() -> None:
    assert check_character("11010519491231002") == "X"
    assert identity_number(date(1998, 3, 12), "F", 7).startswith("99999919980312014")
    assert identity_number(date(1998, 3, 12), "M", 7).startswith("99999919980312015")


def test_unreadable_cells_are_few(listed: list[dict[str, str]]) -> None:
    odd = [
        text
        for column in ("date_of_birth", "missing_since")
        for text in filled(listed, column)
        if not DATE.fullmatch(half_width(text))
    ]
    odd += [text for text in filled(listed, "age") if not half_width(text).isdigit()]
    assert 5 <= len(odd) <= 40


def test_dates_lie_where_they_should(listed: list[dict[str, str]]) -> None:
    for text in map(half_width, filled(listed, "missing_since")):
        if DATE.fullmatch(text):
            assert "2023" <= text[:4] <= "2025"
            assert text <= AS_OF.isoformat()


def test_kinds_and_citizenships_are_in_proportion(listed: list[dict[str, str]]) -> None:
    kinds = Counter(row["kind"] for row in listed)
    assert kinds == {"missing": 1728, "found": 72}
    citizenships = filled(listed, "citizenship")
    assert all(re.fullmatch(r"[A-Z]{3}(;[A-Z]{3})*|不详", text) for text in citizenships)
    assert 0.78 < sum(text.startswith("CHN") for text in citizenships) / len(citizenships) < 0.87


def test_another_seed_is_another_list_of_the_same_make() -> None:
    other = sample.generate(seed=7, rows=360)
    assert len(other) == 360
    assert len({row.person for row in other}) == 220
    assert [row.cells for row in other] == [row.cells for row in sample.generate(seed=7, rows=360)]
    assert [row.cells for row in other] != [row.cells for row in sample.generate(seed=8, rows=360)]


def test_committed_list_is_not_overwritten_by_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sample.main(["--seed", "7"])
    assert "--out" in capsys.readouterr().err
