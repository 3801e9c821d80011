"""Reports that can be found again: in every personal cell something that stands nowhere else."""

from __future__ import annotations

import re
import secrets
from collections.abc import Container
from dataclasses import dataclass, field

from homeward.common.contracts import FieldClass, ReportReceived

TEXTS = (
    "reporter_reference", "full_name", "alternate_names", "wechat", "home_province", "home_city",
    "last_known_location", "physical_description", "narrative", "appeal", "police_case",
    "reporter_name", "reporter_relationship", "reporter_contact", "source_list",
)  # fmt: skip
NUMBERS = ("id_number", "passport_number", "phone")
FORMED = ("sex", "date_of_birth", "age", "citizenship", "missing_since")
"""Cells that hold a code, a date or a count: a word there cannot be read, and is kept as evidence."""
LISTS = ("alternate_names", "citizenship")


@dataclass(frozen=True)
class Report:
    """One report by its cells, as a list has them; ``readable`` ones are matched by their numbers."""

    cells: dict[str, str]
    readable: bool

    def as_json(self) -> dict[str, object]:
        """As the body of a POST."""
        return {name: [text] if name in LISTS else text for name, text in self.cells.items()}

    def markers(self) -> dict[str, set[FieldClass]]:
        """Each marker, and the classes in which it may be shown to somebody entitled to them."""
        found = {}
        for name, text in self.cells.items():
            if name in (*TEXTS, *NUMBERS) or not self.readable:
                own = ReportReceived.CLASSES[name]
                found[text] = {own} if name not in FORMED else {FieldClass.EVIDENCE}
        return found


def marker(of: str) -> str:
    """A word that is nowhere else."""
    return f"canary{of.replace('_', '')}{secrets.token_hex(6)}"


def report(*, readable: bool) -> Report:
    """A report with something in every cell. What is not ``readable`` has a word where a date, a code or
    a count belongs."""
    cells = {name: marker(name) for name in TEXTS}
    cells |= {name: f"{secrets.randbelow(9 * 10**13) + 10**13}" for name in NUMBERS}
    cells |= {"sex": "F", "date_of_birth": "1999-04-05", "age": "26", "citizenship": "CHN"}
    cells["missing_since"] = "2024-11"
    if not readable:
        cells |= {name: marker(name) for name in (*FORMED, "missing_since")}
    return Report(cells, readable)


@dataclass
class Planted:
    """All that was handed in, and everything that the platform answered."""

    reports: list[Report] = field(default_factory=list)
    other: dict[str, set[FieldClass]] = field(default_factory=dict)
    """Markers that were no cells of a report that was accepted, as in :meth:`Report.markers`."""
    answers: list[str] = field(default_factory=list)

    def word(self, of: str, *shown_in: FieldClass) -> str:
        """Another marker; shown to nobody unless ``shown_in`` says otherwise."""
        made = marker(of)
        self.other[made] = set(shown_in)
        return made

    def markers(self) -> dict[str, set[FieldClass]]:
        """All of them."""
        found = dict(self.other)
        for one in self.reports:
            found |= one.markers()
        return found


_ANY = re.compile(rb"canary[a-z]+[0-9a-f]{12}|(?=([0-9]{14}))", re.IGNORECASE)


def found_in(content: bytes, markers: Container[str]) -> set[str]:
    """Those of ``markers`` that are in ``content``, in whatever case."""
    seen = {(m[1] or m[0]).decode().lower() for m in _ANY.finditer(content)}
    return {one for one in seen if one in markers}
