"""A list is sent in parts; put together again they are the list."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.fake_platform import FakePlatform
from homeward.client.lists import PART, PART_BYTES, Imported, parts_of, send_list
from homeward.client.session import Session, Unreachable

CELL = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\r\n\ufeff '), max_size=8)
TABLE = st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=12)


def as_csv(rows: list[list[str]], encoding: str = "utf-8") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode(encoding)


def rows_of(part: bytes, encoding: str = "utf-8") -> tuple[list[str], list[list[str]]]:
    """Header and rows of a part, as the platform reads them."""
    text = part.decode(encoding).removeprefix("\ufeff")
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return header, [row for row in rows if any(cell.strip() for cell in row)]


def answer(rows: int, **changed: object) -> dict[str, object]:
    errors = [{"row": 2, "field": "age", "code": "unreadable_age", "detail": "Not a number."}]
    counted = {"rows": rows, "accepted": rows, "already_imported": 0, "rejected": 0}
    return {**counted, "errors": errors, "results": [{"row": 1}], **changed}


@settings(max_examples=60, deadline=None)
@given(TABLE, st.integers(1, 90))
def test_parts_together_are_the_list(table: list[list[str]], times: int) -> None:
    content = as_csv([["full_name", "phone"], *(table * times)])
    parts = parts_of(content, "utf-8")
    read = [rows_of(part) for part in parts]
    assert all(header == ["full_name", "phone"] for header, _ in read)
    assert [row for _, rows in read for row in rows] == rows_of(content)[1]
    assert all(len(rows) <= PART for _, rows in read)
    assert all(len(rows) == PART for _, rows in read[:-1])


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "gb18030", "gbk", "big5", "utf-16"])
def test_parts_keep_the_lists_encoding(encoding: str) -> None:
    table = [["full_name"], *([f"中文 {i}"] for i in range(PART * 2))]
    parts = parts_of(as_csv(table, encoding), encoding)
    assert [len(rows_of(part, encoding)[1]) for part in parts] == [PART, PART]
    assert [row for part in parts for row in rows_of(part, encoding)[1]] == table[1:]


def test_rows_with_too_many_or_too_few_cells_stay_so() -> None:
    table = [["full_name", "age"], *([f"n{i}"] if i % 2 else [f"n{i}", "1", "x"] for i in range(PART + 1))]
    assert [row for part in parts_of(as_csv(table), "utf-8") for row in rows_of(part)[1]] == table[1:]


def test_long_rows_make_shorter_parts() -> None:
    parts = parts_of(as_csv([["narrative"], *(["长" * 20_000] for _ in range(PART))]), "utf-8")
    assert len(parts) > 1
    assert all(len(part) <= PART_BYTES for part in parts)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b'full_name\n"never closed\n' + b"x\n" * 1_000, "utf-8"),
        (as_csv([["full_name"], *[["名"]] * 1_000], "gb18030"), "utf-8"),
        (b"full_name\n" + b"x\n" * 1_000, "no-such-encoding"),
        (b"", "utf-8"),
    ],
)
def test_a_list_that_cannot_be_read_here_is_sent_whole_for_the_platform_to_say_why(
    content: bytes, encoding: str
) -> None:
    assert parts_of(content, encoding) == [content]


def test_a_dry_run_is_one_request_as_long_as_one_can_hold_it() -> None:
    content = as_csv([["full_name"], *([f"n{i}"] for i in range(PART * 5))])
    assert len(parts_of(content, "utf-8")) == 5
    assert parts_of(content, "utf-8", dry_run=True) == [content]
    larger = as_csv([["full_name"], *([f"n{i}"] for i in range(20_001))])
    assert len(parts_of(larger, "utf-8", dry_run=True)) == 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_bytes(as_csv([["full_name"], *([f"n{i}"] for i in range(PART + 10))]))
    return path


def test_row_numbers_go_on_from_part_to_part(session: Session, fake: FakePlatform, file: Path) -> None:
    fake.answers["POST", "/v1/reports/import"] = [(201, answer(PART)), (201, answer(10))]
    told: list[tuple[int, int]] = []
    imported = send_list(session, file, progress=lambda done, total: told.append((done, total)))
    assert imported.rows == PART + 10
    assert [error["row"] for error in imported.errors] == [2, PART + 2]
    assert [result["row"] for result in imported.results] == [1, PART + 1]
    assert told == [(1, 2), (2, 2)]
    assert set(imported.summary()) == {"rows", "accepted", "already_imported", "rejected", "errors"}


def test_name_consents_and_encoding_go_with_every_part(
    session: Session, fake: FakePlatform, file: Path
) -> None:
    fake.answers["POST", "/v1/reports/import"] = (201, answer(1))
    send_list(session, file, list_name="January", consents=[{"purpose": "search"}], encoding="gbk")
    assert len(fake.requests) == 2
    for _, path, body in fake.requests:
        assert path == "/v1/reports/import?dry_run=false"
        assert re.search(rb'name="list"\r\n\r\nJanuary', body)
        assert re.search(rb'name="consents"\r\n\r\n\[\{"purpose": "search"\}\]', body)
        assert b"Content-Type: text/csv; charset=gbk" in body


def test_when_the_platform_goes_away_in_between_what_was_done_is_known(
    session: Session, fake: FakePlatform, file: Path
) -> None:
    fake.answers["POST", "/v1/reports/import"] = [(201, answer(PART)), (503, {})]
    imported = Imported()
    with pytest.raises(Unreachable):
        send_list(session, file, imported=imported, patience=1)
    assert (imported.rows, imported.accepted) == (PART, PART)
