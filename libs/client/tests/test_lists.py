"""A list is sent in parts; put together again they are the list."""

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.fake_platform import FakePlatform
from homeward.client.lists import PART, parts_of, send_list
from homeward.client.session import Session

_cell = st.text(st.characters(blacklist_categories=["Cs", "Cc"]) | st.sampled_from('",\n'), max_size=8)
_rows = st.lists(st.lists(_cell, min_size=2, max_size=2), max_size=20)


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


@given(_rows, st.integers(1, 3))
def test_parts_together_are_the_list(rows: list[list[str]], times: int) -> None:
    body = [row for row in rows * times * 20 if any(cell.strip() for cell in row)]
    parts = parts_of(_csv([["full_name", "phone"], *body]), "utf-8")
    again = []
    for part in parts:
        header, *some = csv.reader(io.StringIO(part.decode(), newline=""))
        assert header == ["full_name", "phone"]
        assert len(some) <= PART or len(parts) == 1
        again += some
    assert [row for row in again if any(cell.strip() for cell in row)] == body


def test_a_list_that_cannot_be_read_here_is_sent_whole_for_the_platform_to_say_why() -> None:
    broken = b'full_name\n"never closed\n' + b"x\n" * 1_000
    assert parts_of(broken, "utf-8") == [broken]
    wrong = "full_name\n" + "名\n" * 1_000
    assert parts_of(wrong.encode("gb18030"), "utf-8") == [wrong.encode("gb18030")]


def test_row_numbers_of_errors_go_on_from_part_to_part(
    session: Session, fake: FakePlatform, tmp_path: Path
) -> None:
    def answered(rows: int) -> dict[str, object]:
        error = {"row": 2, "field": "age", "code": "unreadable_age", "detail": "…"}
        return {
            "rows": rows, "accepted": rows, "already_imported": 0, "rejected": 0, "errors": [error],
            "results": [{"row": 1}],
        }  # fmt: skip

    fake.answers["POST", "/v1/reports/import"] = [(201, answered(PART)), (201, answered(10))]
    file = tmp_path / "list.csv"
    file.write_bytes(_csv([["full_name"], *([f"n{i}"] for i in range(PART + 10))]))
    told: list[tuple[int, int]] = []
    imported = send_list(session, file, progress=lambda done, total: told.append((done, total)))
    assert imported.rows == PART + 10
    assert [error["row"] for error in imported.errors] == [2, PART + 2]
    assert [result["row"] for result in imported.results] == [1, PART + 1]
    assert told == [(1, 2), (2, 2)]
    assert set(imported.summary()) == {"rows", "accepted", "already_imported", "rejected", "errors"}
