"""Reading lists: as spreadsheets write them, and when they cannot be read, where and why, quoting nobody."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.intake.domain import COLUMNS
from homeward.intake.lists import MAX_ROWS, ListRefused, Row, read_list


def rows(text: str, charset: str = "utf-8", encoding: str | None = None) -> list[Row]:
    return read_list(text.encode(encoding or charset), charset)


def refused(content: bytes | str, charset: str = "utf-8") -> tuple[str, str]:
    """(slug, detail) of a list that is refused as a whole."""
    with pytest.raises(ListRefused) as caught:
        read_list(content.encode() if isinstance(content, str) else content, charset)
    slug, detail = caught.value.args
    return slug, detail


class TestEncodings:
    """UTF-8, or what the list declares."""

    @pytest.mark.parametrize(
        ("charset", "encoding"),
        [
            ("utf-8", "utf-8"),
            ("UTF8", "utf-8"),
            ("utf-8", "utf-8-sig"),
            ("gb18030", "gb18030"),
            ("GBK", "gbk"),
            ("gb2312", "gb2312"),
            ("big5", "big5"),
            ("utf-16", "utf-16"),
        ],
    )
    def test_a_declared_one_is_read(self, charset: str, encoding: str) -> None:
        assert rows("full_name,age\n中文,25\n", charset, encoding) == [
            Row(1, {"full_name": "中文", "age": "25"})
        ]

    @pytest.mark.parametrize("charset", ["utf-8", "gb18030", "utf-16"])
    def test_a_byte_order_mark_is_no_part_of_the_header(self, charset: str) -> None:
        assert rows("\ufefffull_name\n王星\n", charset) == [Row(1, {"full_name": "王星"})]

    def test_all_scripts_at_once(self) -> None:
        names = ["王星", "สมชาย", "မောင်", "Nguyễn", "𠮷"]
        assert [r.cells for r in rows("\n".join(["full_name", *names]))] == [{"full_name": n} for n in names]

    @pytest.mark.parametrize("lines_before", [0, 1, 7])
    def test_the_wrong_one_is_refused_with_the_line(self, lines_before: int) -> None:
        text = "full_name\n" + "Wang Xing\n" * lines_before + "王星\n"
        slug, detail = refused(text.encode("gb18030"))
        assert slug == "wrong-encoding"
        assert detail.startswith(f"Line {lines_before + 2} is not utf-8.")
        assert "gb18030" in detail

    def test_the_line_is_right_where_newlines_are_two_bytes(self) -> None:
        content = "full_name\n上上上\n王星\n".encode("utf-16-le") + b"\x00\xd8"
        slug, detail = refused(b"\xff\xfe" + content, "utf-16")
        assert slug == "wrong-encoding"
        assert detail.startswith("Line 4 is not utf-16.")

    @pytest.mark.parametrize("declared", ["gb18030", "big5"])
    def test_utf_8_declared_as_something_else_does_not_become_other_names(self, declared: str) -> None:
        slug, detail = refused("full_name,narrative\n王星,他被骗到泰国\n李娜,失去联系\n", declared)
        assert slug == "wrong-encoding"
        assert f"The list is UTF-8, not {declared}." in detail

    @pytest.mark.parametrize("name", ["王", "联通", "李明", "张伟", "陈静"])
    def test_a_short_list_of_chinese_is_not_mistaken_for_utf_8(self, name: str) -> None:
        assert rows(f"full_name\n{name}\n", "gb18030") == [Row(1, {"full_name": name})]

    @pytest.mark.parametrize("charset", ["latin-1", "rot13", "", "utf-7", "\x00"])
    def test_an_unknown_one_is_refused_with_those_known(self, charset: str) -> None:
        slug, detail = refused("full_name\n", charset)
        assert slug == "unknown-charset"
        assert "gb18030" in detail


class TestHeader:
    """A file without a header has people in its first line: no word of it is quoted."""

    @pytest.mark.parametrize("header", ["full_name", " Full_Name ", '"full_name"', "age,full_name,kind"])
    def test_any_canonical_columns_in_any_order(self, header: str) -> None:
        assert rows(header + "\n") == []

    def test_all_columns(self) -> None:
        [row] = rows(",".join(COLUMNS) + "\n" + ",".join(COLUMNS))
        assert row.cells == {name: name for name in COLUMNS}

    @pytest.mark.parametrize(
        ("header", "slug", "said"),
        [
            ("full_name,shoe_size,x", "unknown-column", "column 2, 3 is not known"),
            ("王星,25,他被骗", "unknown-column", "column 1, 2, 3 is not known"),
            ("王星;25;他被骗", "unknown-column", "column 1 is not known"),
            ("full_name,age,full_name", "duplicate-column", "names a column twice"),
            ("age,kind", "no-full-name", "no column full_name"),
            ("", "no-full-name", "no column full_name"),
            ("full_name,\x00", "unknown-column", "column 2 is not known"),
        ],
    )
    def test_what_is_wrong_is_said_by_place(self, header: str, slug: str, said: str) -> None:
        found, detail = refused(header + "\n王星,25\n")
        assert found == slug
        assert said in detail
        assert not any(word in detail for word in ("王星", "他被骗", "shoe_size", "\x00"))

    def test_empty_columns_at_the_end_as_spreadsheets_leave_them_are_none(self) -> None:
        assert rows("full_name,age,,\n王星,25,,\n") == [Row(1, {"full_name": "王星", "age": "25"})]
        assert rows("full_name,\n王星,25\n") == [Row(1, None)]

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_an_empty_file(self, content: str) -> None:
        assert refused(content)[0] == "no-full-name"


class TestRows:
    """Rows are numbered from the first below the header, as the answer names them."""

    def test_quotes_commas_and_newlines_in_cells(self) -> None:
        text = 'full_name,narrative\n"Wang, Xing","said ""help""\nand\r\nno more"\r\n'
        assert rows(text) == [Row(1, {"full_name": "Wang, Xing", "narrative": 'said "help"\nand\r\nno more'})]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_any_line_end(self, end: str) -> None:
        assert [r.cells for r in rows(end.join(["full_name", "a", "b", ""]))] == [
            {"full_name": "a"},
            {"full_name": "b"},
        ]

    def test_a_row_with_too_many_or_too_few_cells_is_broken_and_the_others_are_not(self) -> None:
        found = rows("full_name,age\na\nb,1,x\nc,2\n")
        assert found == [Row(1, None), Row(2, None), Row(3, {"full_name": "c", "age": "2"})]

    def test_blank_lines_are_no_rows(self) -> None:
        found = rows("full_name,age\n\na,1\n , \n,\n\nb,2\n\n")
        assert [(row.number, row.cells) for row in found] == [
            (1, {"full_name": "a", "age": "1"}),
            (2, {"full_name": "b", "age": "2"}),
        ]

    def test_nul_is_left_to_the_reading_of_the_cell(self) -> None:
        assert rows("full_name\na\x00b\n") == [Row(1, {"full_name": "a\x00b"})]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ('full_name\na\n"never closed\nb\nc\n', 3),
            ('full_name,age\na,"1"2\n', 2),
            ('full_name\n"two\nlines"\n"x"y\n', 4),
            ('"full_name\na\n', 1),
        ],
    )
    def test_a_broken_quote_is_found_by_the_line_it_starts_in(self, text: str, line: int) -> None:
        slug, detail = refused(text)
        assert slug == "broken-csv"
        assert detail.startswith(f"The row that starts in line {line} is not valid CSV")
        assert "never closed" not in detail

    def test_a_cell_beyond_all_measure(self) -> None:
        assert refused("full_name\n" + "x" * 140_000)[0] == "broken-csv"

    def test_more_rows_than_one_list_may_have(self) -> None:
        assert len(rows("full_name\n" + "a\n" * MAX_ROWS)) == MAX_ROWS
        assert refused("full_name\n" + "a\n" * (MAX_ROWS + 1))[0] == "too-many-rows"


cells = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8))
def test_whatever_a_spreadsheet_writes_comes_back(table: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["full_name", "age", "narrative"], *table])
    told = [row for row in table if any(cell.strip() for cell in row)]
    found = rows(out.getvalue())
    assert [list((row.cells or {}).values()) for row in found] == told
    assert [row.number for row in found] == list(range(1, len(told) + 1))


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "gb18030", "big5", "utf-16"]))
def test_any_bytes_are_rows_or_refused_by_a_reason(content: bytes, charset: str) -> None:
    try:
        found = read_list(b"full_name\n" + content, charset)
    except ListRefused as reason:
        slug, detail = reason.args
        assert slug in {"wrong-encoding", "broken-csv", "unknown-column", "no-full-name"}
        assert detail
    else:
        assert all(row.cells is None or set(row.cells) == {"full_name"} for row in found)
