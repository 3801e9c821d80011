"""Reading a list: a CSV file becomes rows of cells, or the place and reason why it cannot. No I/O."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from .domain import COLUMNS

ENCODINGS = {"utf-8": "utf-8-sig", "utf8": "utf-8-sig", "gb18030": "gb18030", "gbk": "gb18030",
             "gb2312": "gb18030", "big5": "big5hkscs", "utf-16": "utf-16"}  # fmt: skip
"""Character sets a list may declare; UTF-8 when it declares none."""
MAX_ROWS = 20_000


class ListRefused(Exception):
    """The list cannot be read as a whole: (slug, detail). Never quotes the list: a file without a
    header has people in its first line."""


@dataclass(frozen=True)
class Row:
    """One row: its number (the first below the header is 1) and its cells; None if it is broken."""

    number: int
    cells: dict[str, str] | None


def read_list(content: bytes, charset: str = "utf-8") -> list[Row]:
    """All rows of a list with a header; blank lines are no rows. ListRefused."""
    lines = csv.reader(io.StringIO(_decode(content, charset), newline=""), strict=True)
    try:
        columns = _columns(next(lines, []))
        rows = list(_rows(lines, columns))
    except csv.Error:
        raise ListRefused(
            "broken-csv", f"Line {lines.line_num} is not valid CSV (often a quote that is not closed)."
        ) from None
    if len(rows) > MAX_ROWS:
        raise ListRefused("too-many-rows", f"More than {MAX_ROWS} rows; send the list in parts.")
    return rows


def _decode(content: bytes, charset: str) -> str:
    encoding = ENCODINGS.get(charset.lower())
    if encoding is None:
        raise ListRefused("unknown-charset", f"Send the list in one of: {', '.join(ENCODINGS)}.")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ListRefused(
            "wrong-encoding",
            f"Line {line} is not {charset}. Save the list as UTF-8, or declare its charset "
            "(gb18030, big5, utf-16).",
        ) from None


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    unknown = [str(i) for i, name in enumerate(columns, 1) if name not in COLUMNS]
    if unknown:
        raise ListRefused(
            "unknown-column",
            f"The header's column {', '.join(unknown[:5])} is not known. Known are: {', '.join(COLUMNS)}.",
        )
    if len(set(columns)) != len(columns):
        raise ListRefused("duplicate-column", "The header names a column twice.")
    if "full_name" not in columns:
        raise ListRefused("no-full-name", "The header has no column full_name.")
    return columns


def _rows(lines: Iterator[list[str]], columns: list[str]) -> Iterator[Row]:
    number = 0
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        number += 1
        whole = len(line) == len(columns)
        yield Row(number, dict(zip(columns, line, strict=True)) if whole else None)
