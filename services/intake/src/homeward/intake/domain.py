"""Reading a report: what the reporter wrote becomes a report, or a reason why it cannot. No I/O.

Families write what they know. Only an unusable full name makes a report unusable; every other cell
that cannot be read is kept exactly as it came and named in the answer.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from homeward.common.contracts import ReportReceived

from .countries import ALPHA_3
from .places import country_of

COLUMNS = (
    "kind", "reporter_reference", "full_name", "alternate_names", "sex", "date_of_birth", "age", "id_number",
    "passport_number", "phone", "wechat", "citizenship", "home_province", "home_city", "last_known_location",
    "missing_since", "physical_description", "narrative", "appeal", "police_case", "reporter_name",
    "reporter_relationship", "reporter_contact", "source_list",
)  # fmt: skip
"""The canonical header; a list may have any of these, in any order, and must have ``full_name``."""

_LONG = {"narrative": 20_000, "appeal": 20_000, "physical_description": 5_000, "police_case": 5_000}
_SHORT = 500
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's categories Cc and Cs, but for tab and line ends."""
_REPORTER = ("reporter_name", "reporter_relationship", "reporter_contact", "reporter_reference")


@dataclass(frozen=True)
class CellError:
    """What is wrong with one cell, without its value."""

    field: str
    code: str
    detail: str


@dataclass(frozen=True)
class Reading:
    """A report as far as it could be read."""

    values: Mapping[str, Any]
    """Fields of :class:`.ReportReceived` that hold something."""
    errors: tuple[CellError, ...]

    @property
    def usable(self) -> bool:
        """Whether it can be accepted."""
        return "full_name" in self.values


class Unreadable(Exception):
    """A cell cannot be read: (code, detail)."""


def read_report(cells: Mapping[str, str]) -> Reading:
    """Read the cells of one report; ``cells`` has canonical column names only."""
    values: dict[str, Any] = {"kind": "missing"}
    errors: list[CellError] = []
    unreadable: dict[str, str] = {}
    for column in COLUMNS:
        raw = cells.get(column, "")
        if not raw.strip() and column != "full_name":
            continue
        try:
            values[column] = _READERS.get(column, _text)(_checked(raw, _LONG.get(column, _SHORT)))
        except Unreadable as error:
            code, detail = error.args
            errors.append(CellError(column, code, detail))
            if column != "full_name":
                unreadable[column] = raw
    if country := country_of(values.get("last_known_location", "")):
        values["last_known_country"] = country
    if unreadable:
        values["unreadable"] = unreadable
    return Reading(values, tuple(errors))


def has_reporter(values: Mapping[str, Any]) -> bool:
    """Whether the report tells anything of who made it."""
    return any(field in values for field in _REPORTER)


def row_identity(values: Mapping[str, Any], organisation: str) -> dict[str, Any]:
    """What makes a row the same row when it is sent again: its reference within its organisation and
    list; without one, all that it says. ``values`` as :attr:`Reading.values` or :func:`said`."""
    place = {"organisation": organisation, "list": values.get("source_list", "")}
    if reference := values.get("reporter_reference"):
        return {**place, "reference": reference}
    return {**place, "said": values}


def said(report: ReportReceived) -> dict[str, Any]:
    """What its row said, as :attr:`Reading.values` had it."""
    ours = {"report_id", "reporter_id", "received_at", "channel", "organisation", "consents"}
    return report.model_dump(mode="json", exclude_none=True, exclude=ours)


def _checked(raw: str, limit: int) -> str:
    if len(raw) > limit:
        raise Unreadable("too_long", f"Longer than {limit} characters; kept as it came.")
    if _CONTROL.search(raw):
        raise Unreadable("control_character", "Holds control characters; kept as it came.")
    return raw.strip()


def _text(raw: str) -> str:
    return unicodedata.normalize("NFC", raw)


def _name(raw: str) -> str:
    if not any(unicodedata.category(c).startswith("L") for c in raw):
        raise Unreadable("unusable_name", "A name with at least one letter or character is needed.")
    return _text(raw)


def _names(raw: str) -> tuple[str, ...]:
    names = tuple(_text(part.strip()) for part in re.split("[;；]", raw) if part.strip())
    if not names:
        raise Unreadable("no_names", "Only separators; kept as it came.")
    return names


def _kind(raw: str) -> str:
    if (kind := raw.lower()) not in {"missing", "found"}:
        raise Unreadable("unknown_kind", "Not missing or found; taken as missing.")
    return kind


def _sex(raw: str) -> str:
    sex = {"m": "M", "f": "F", "男": "M", "女": "F"}.get(unicodedata.normalize("NFKC", raw).lower())
    if sex is None:
        raise Unreadable("unknown_sex", "Not M or F; kept as it came.")
    return sex


def _date(raw: str) -> str:
    """``YYYY[-MM[-DD]]``; full-width digits and / or . as separators are read too, year first."""
    found = re.fullmatch(
        r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?", unicodedata.normalize("NFKC", raw), re.ASCII
    )
    if found is None:
        raise Unreadable("unreadable_date", "Not a date like 1998, 1998-05 or 1998-05-03; kept as it came.")
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        date(year or 0, *(1 if part is None else part for part in (month, day)))
    except ValueError:
        raise Unreadable("impossible_date", "There is no such day; kept as it came.") from None
    return "-".join([f"{year:04}", *(f"{part:02}" for part in (month, day) if part is not None)])


def _age(raw: str) -> int:
    digits = unicodedata.normalize("NFKC", raw)
    if not re.fullmatch(r"\d{1,3}", digits, re.ASCII) or int(digits) > 120:
        raise Unreadable("unreadable_age", "Not a number of years from 0 to 120; kept as it came.")
    return int(digits)


def _countries(raw: str) -> tuple[str, ...]:
    parts = [part.strip() for part in unicodedata.normalize("NFKC", raw).upper().split(";")]
    codes = tuple(part for part in parts if part)
    if not codes or any(code not in ALPHA_3 for code in codes):
        raise Unreadable("unknown_country", "Not ISO 3166 alpha-3 codes such as CHN;MYS; kept as it came.")
    return codes


def _number(raw: str) -> str:
    return unicodedata.normalize("NFKC", raw).strip()


_READERS: Mapping[str, Callable[[str], Any]] = {
    "kind": _kind,
    "full_name": _name,
    "alternate_names": _names,
    "sex": _sex,
    "date_of_birth": _date,
    "missing_since": _date,
    "age": _age,
    "citizenship": _countries,
    "id_number": _number,
    "passport_number": _number,
    "phone": _number,
}
