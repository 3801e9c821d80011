"""Reading a list: a CSV file becomes rows of cells, or the place and reason why it cannot. No I/O."""

import csv
import io
from dataclasses import dataclass

from .domain import COLUMNS

ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "gb18030": "gb18030", "gbk": "gb18030",
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
    text = _decode(content, charset).removeprefix("\ufeff")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    starts = 1
    rows: list[Row] = []
    try:
        width, columns = _columns(next(lines, []))
        starts = lines.line_num + 1
        for line in lines:
            starts = lines.line_num + 1
            if any(cell.strip() for cell in line):
                rows.append(_row(len(rows) + 1, line, width, columns))
    except csv.Error:
        raise ListRefused(
            "broken-csv",
            f"The row that starts in line {starts} is not valid CSV (often a quote that is not closed).",
        ) from None
    if len(rows) > MAX_ROWS:
        raise ListRefused("too-many-rows", f"More than {MAX_ROWS} rows; send the list in parts.")
    return rows


def _decode(content: bytes, charset: str) -> str:
    encoding = ENCODINGS.get(charset.lower())
    if encoding is None:
        raise ListRefused("unknown-charset", f"Send the list in one of: {', '.join(ENCODINGS)}.")
    if encoding not in {"utf-8", "utf-16"} and _is_utf_8(content):
        raise ListRefused("wrong-encoding", f"The list is UTF-8, not {charset}. Send it as UTF-8.")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise ListRefused(
            "wrong-encoding",
            f"Line {line} is not {charset}. Save the list as UTF-8, or declare its charset "
            "(gb18030, big5, utf-16).",
        ) from None


def _is_utf_8(content: bytes) -> bool:
    """Whether it can be nothing else: read as gb18030 it would give other people's names, not an error.
    Three characters of three bytes: less can be Chinese in another encoding by chance."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return sum(c >= "\u0800" for c in text) >= 3


def _columns(header: list[str]) -> tuple[int, list[str]]:
    """How many cells a row has, and the names of those that count: spreadsheets leave empty columns
    at the end."""
    columns = [name.strip().lower() for name in header]
    while columns and not columns[-1]:
        columns.pop()
    unknown = [str(i) for i, name in enumerate(columns, 1) if name not in COLUMNS]
    if unknown:
        hint = "Separate columns by commas. " if len(columns) == 1 else ""
        raise ListRefused(
            "unknown-column",
            f"The header's column {', '.join(unknown[:5])} is not known. {hint}"
            f"Known are: {', '.join(COLUMNS)}.",
        )
    if len(set(columns)) != len(columns):
        raise ListRefused("duplicate-column", "The header names a column twice.")
    if "full_name" not in columns:
        raise ListRefused("no-full-name", "The header has no column full_name.")
    return len(header), columns


def _row(number: int, line: list[str], width: int, columns: list[str]) -> Row:
    named, rest = line[: len(columns)], line[len(columns) :]
    whole = len(line) == width and not any(cell.strip() for cell in rest)
    return Row(number, dict(zip(columns, named, strict=True)) if whole else None)
