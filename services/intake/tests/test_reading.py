"""Reading a report: nobody is lost over a cell, and no cell is lost over its reading."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homeward.common.contracts import ReportReceived
from homeward.common.ids import new_id
from homeward.common.sealing import canonical
from homeward.intake.domain import COLUMNS, has_reporter, read_report, row_identity, said

NAME = {"full_name": "王星"}
TEXTS = (
    "reporter_reference", "wechat", "home_province", "home_city", "last_known_location",
    "physical_description", "narrative", "appeal", "police_case", "reporter_name", "reporter_relationship",
    "reporter_contact", "source_list",
)  # fmt: skip


def read(**cells: str) -> dict[str, Any]:
    """What is read of a report with these cells, which all can be read."""
    reading = read_report(NAME | cells)
    assert reading.errors == ()
    return dict(reading.values)


def refused(column: str, cell: str) -> str:
    """Why a cell cannot be read; its report still can, and the cell is kept exactly as it came."""
    reading = read_report(NAME | {column: cell})
    [error] = reading.errors
    assert reading.usable
    assert error.field == column
    assert reading.values["unreadable"] == {column: cell}
    assert column == "kind" or column not in reading.values
    return error.code


class TestColumns:
    """Every column of the canonical header."""

    def test_the_header_is_the_canonical_one(self) -> None:
        assert ",".join(COLUMNS) == (
            "kind,reporter_reference,full_name,alternate_names,sex,date_of_birth,age,id_number,"
            "passport_number,phone,wechat,citizenship,home_province,home_city,last_known_location,"
            "missing_since,physical_description,narrative,appeal,police_case,reporter_name,"
            "reporter_relationship,reporter_contact,source_list"
        )

    @pytest.mark.parametrize("column", TEXTS)
    def test_text_is_taken_as_it_is_without_the_space_around_it(self, column: str) -> None:
        assert read(**{column: " 一 two\nthree "})[column] == "一 two\nthree"

    @pytest.mark.parametrize("name", ["王星", "Wang Xing", "สมชาย", "မောင်", "Ng", "O'Brien", "ßß", "李 3"])
    def test_a_name_needs_one_letter_of_any_script(self, name: str) -> None:
        assert read_report({"full_name": name}).values["full_name"] == name

    @pytest.mark.parametrize("name", ["", "  ", "?", "---", "123", "１２３", "😀", "\x00王", "王\x07"])
    def test_without_a_usable_name_there_is_no_report(self, name: str) -> None:
        reading = read_report({"full_name": name, "age": "old", "narrative": "told"})
        assert not reading.usable
        assert {error.field for error in reading.errors} == {"full_name", "age"}

    def test_names_are_composed(self) -> None:
        assert read(full_name=unicodedata.normalize("NFD", "Nguyễn"))["full_name"] == "Nguyễn"

    def test_a_name_too_long_is_named_so(self) -> None:
        assert [error.code for error in read_report({"full_name": "王" * 501}).errors] == ["too_long"]

    @pytest.mark.parametrize("cell", ["Xiao Xing; 小星", "Xiao Xing；小星 ", ";Xiao Xing;;小星;"])
    def test_further_names_are_parted_by_semicolons(self, cell: str) -> None:
        assert read(alternate_names=cell)["alternate_names"] == ("Xiao Xing", "小星")

    def test_semicolons_alone_are_no_names(self) -> None:
        assert refused("alternate_names", " ;； ; ") == "no_names"

    @pytest.mark.parametrize(
        ("cell", "kind"), [("missing", "missing"), (" Found ", "found"), ("", "missing")]
    )
    def test_kind(self, cell: str, kind: str) -> None:
        assert read(kind=cell)["kind"] == kind

    def test_an_unknown_kind_is_taken_as_missing(self) -> None:
        assert refused("kind", "lost") == "unknown_kind"
        assert read_report(NAME | {"kind": "lost"}).values["kind"] == "missing"

    @pytest.mark.parametrize(
        ("cell", "sex"), [("M", "M"), ("f", "F"), ("男", "M"), ("女", "F"), ("Ｍ", "M"), ("ｆ", "F")]
    )
    def test_sex(self, cell: str, sex: str) -> None:
        assert read(sex=cell)["sex"] == sex

    @pytest.mark.parametrize("cell", ["x", "不详", "MF"])
    def test_an_unknown_sex(self, cell: str) -> None:
        assert refused("sex", cell) == "unknown_sex"

    @pytest.mark.parametrize("column", ["date_of_birth", "missing_since"])
    @pytest.mark.parametrize(
        ("cell", "date"),
        [
            ("1998-05-03", "1998-05-03"),
            ("1998/5/3", "1998-05-03"),
            ("1998.5.3", "1998-05-03"),
            ("１９９８－０５－０３", "1998-05-03"),
            ("1998-05", "1998-05"),
            ("1998/5", "1998-05"),
            ("1998", "1998"),
            ("2000-02-29", "2000-02-29"),
        ],
    )
    def test_dates_may_be_partial(self, column: str, cell: str, date: str) -> None:
        assert read(**{column: cell})[column] == date

    @pytest.mark.parametrize(
        ("cell", "code"),
        [
            ("03/05/1998", "unreadable_date"),
            ("May 1998", "unreadable_date"),
            ("1998-", "unreadable_date"),
            ("19980503", "unreadable_date"),
            ("๑๙๙๘", "unreadable_date"),
            ("不详", "unreadable_date"),
            ("1998-13", "impossible_date"),
            ("1998-00-01", "impossible_date"),
            ("1999-02-29", "impossible_date"),
            ("0000", "impossible_date"),
        ],
    )
    def test_what_is_no_date(self, cell: str, code: str) -> None:
        assert refused("date_of_birth", cell) == refused("missing_since", cell) == code

    @pytest.mark.parametrize(
        ("cell", "age"), [("0", 0), ("25", 25), ("２５", 25), (" 007 ", 7), ("120", 120)]
    )
    def test_age(self, cell: str, age: int) -> None:
        assert read(age=cell)["age"] == age

    @pytest.mark.parametrize("cell", ["121", "-1", "25岁", "2.5", "1e1", "๒๕", "9999"])
    def test_what_is_no_age(self, cell: str) -> None:
        assert refused("age", cell) == "unreadable_age"

    @pytest.mark.parametrize("column", ["id_number", "passport_number", "phone"])
    def test_numbers_are_read_from_full_width_digits(self, column: str) -> None:
        assert read(**{column: "＋８６　１３９Ｘ"})[column] == "+86 139X"

    @pytest.mark.parametrize(
        ("cell", "codes"), [("CHN", ("CHN",)), ("chn; mys", ("CHN", "MYS")), ("ＣＨＮ；THA", ("CHN", "THA"))]
    )
    def test_citizenship(self, cell: str, codes: tuple[str, ...]) -> None:
        assert read(citizenship=cell)["citizenship"] == codes

    @pytest.mark.parametrize("cell", ["China", "CN", "CHN;XXX", ";", "中国"])
    def test_an_unknown_country(self, cell: str) -> None:
        assert refused("citizenship", cell) == "unknown_country"

    def test_the_country_of_the_last_known_location_where_it_can_be_told(self) -> None:
        assert read(last_known_location="缅甸妙瓦底")["last_known_country"] == "MMR"
        assert "last_known_country" not in read(last_known_location="somewhere")

    @pytest.mark.parametrize(
        ("column", "limit"),
        [("narrative", 20_000), ("appeal", 20_000), ("physical_description", 5_000), ("police_case", 5_000),
         ("home_city", 500), ("alternate_names", 500)],
    )  # fmt: skip
    def test_a_cell_too_long_is_kept_all_the_same(self, column: str, limit: int) -> None:
        assert read(**{column: "x" * limit})
        assert refused(column, "x" * (limit + 1)) == "too_long"

    def test_a_control_character_makes_a_cell_unreadable(self) -> None:
        assert refused("narrative", "told\x00more") == "control_character"
        assert refused("home_city", "\x1b[31mred") == "control_character"


def test_many_cells_that_cannot_be_read_are_all_named_and_kept() -> None:
    cells = {**NAME, "sex": "x", "age": "old", "date_of_birth": "then", "citizenship": "here"}
    reading = read_report(cells)
    assert [error.field for error in reading.errors] == ["sex", "date_of_birth", "age", "citizenship"]
    assert reading.values["unreadable"] == {k: v for k, v in cells.items() if k != "full_name"}


def test_no_error_quotes_a_cell() -> None:
    reading = read_report(dict.fromkeys(COLUMNS, "MARKER\x00"))
    assert len(reading.errors) == len(COLUMNS)
    assert "MARKER" not in str(reading.errors)


CELL = st.text(max_size=30) | st.sampled_from(
    [
        "M",
        "男",
        "1998-05-03",
        "１９９８",
        "25",
        "CHN;MYS",
        "found",
        "王星",
        ";",
        "；",
        "\x00",
        "\ud800",
        "​",
        "ﾠ",
    ]
)


@given(st.dictionaries(st.sampled_from(COLUMNS), CELL))
@example({"full_name": "a", "alternate_names": ";"})
@example({"full_name": "a", "phone": "\xa0⠀"})
def test_whatever_comes_no_cell_is_lost(cells: dict[str, str]) -> None:
    reading = read_report(cells)
    kept = reading.values.get("unreadable", {})
    for column, cell in cells.items():
        if cell.strip() and column != "full_name":
            in_values = column in reading.values and (column != "kind" or column not in kept)
            assert in_values != (column in kept), column
            assert column not in kept or kept[column] == cell
            assert not in_values or reading.values[column] not in ("", ())
    assert {error.field for error in reading.errors if error.field != "full_name"} == set(kept)
    assert reading.usable == ("full_name" not in {error.field for error in reading.errors})


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(st.characters(codec="utf-8"), max_size=30)))
def test_what_was_read_fits_the_event(cells: dict[str, str]) -> None:
    reading = read_report({**cells, **NAME})
    ids = {"report_id": new_id(), "reporter_id": new_id()}
    event = ReportReceived(**ids, received_at="2025-01-07T00:00:00Z", channel="list", **reading.values)
    json.dumps(event.by_class(), ensure_ascii=False).encode()
    assert canonical(said(event)) == canonical(reading.values), "and the event says what the row said"


class TestSameRow:
    """When a row is the same row, sent again."""

    def identity(self, organisation: str = "ngo", **cells: str) -> dict[str, Any]:
        return row_identity(read_report(NAME | cells).values, organisation)

    def test_by_its_reference_within_its_list_and_organisation(self) -> None:
        first = self.identity(reporter_reference="A-1", source_list="L")
        assert first == self.identity(reporter_reference=" A-1 ", source_list="L", narrative="more")
        assert first != self.identity(reporter_reference="A-2", source_list="L")
        assert first != self.identity(reporter_reference="A-1", source_list="M")
        assert first != self.identity("other", reporter_reference="A-1", source_list="L")

    def test_without_one_by_all_that_it_says(self) -> None:
        assert self.identity(age="25") == self.identity(age=" 25 ", sex="")
        assert self.identity(age="25") != self.identity(age="26")

    def test_a_reference_that_cannot_be_read_is_none(self) -> None:
        assert "reference" not in self.identity(reporter_reference="A\x00")

    def test_blank_cells_say_nothing(self) -> None:
        assert self.identity(full_name=" 王星 ", age=" ", sex="") == self.identity()


@pytest.mark.parametrize("column", COLUMNS)
def test_who_reported_is_kept_apart_when_anything_is_told_of_them(column: str) -> None:
    told = column.startswith("reporter_")
    assert has_reporter(read_report(NAME | {column: "王"}).values) == told
