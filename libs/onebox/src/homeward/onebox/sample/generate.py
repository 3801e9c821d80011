"""Makes the sample list: `python -m homeward.onebox.sample.generate [--seed N] [--rows N] [--out FILE]`.

Everybody on it is invented. The same seed gives the same bytes on every supported Python.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from homeward.onebox.sample.draw import Draw
from homeward.onebox.sample.people import Person, draw_people
from homeward.onebox.sample.reports import found_report, missing_report
from homeward.onebox.sample.texts import UNUSABLE_NAMES

SEED = 20250108
ROWS = 1800
COMMITTED = Path(__file__).with_name("list-1800.csv")

HEADER = [
    "kind",
    "reporter_reference",
    "full_name",
    "alternate_names",
    "sex",
    "date_of_birth",
    "age",
    "id_number",
    "passport_number",
    "phone",
    "wechat",
    "citizenship",
    "home_province",
    "home_city",
    "last_known_location",
    "missing_since",
    "physical_description",
    "narrative",
    "appeal",
    "police_case",
    "reporter_name",
    "reporter_relationship",
    "reporter_contact",
    "source_list",
]

MOST_REPORTS = 6
SHARE_FOUND = 0.04
ROWS_PER_UNUSABLE_NAME = 300
SHARE_WITH_REFERENCE = 0.93


@dataclass(frozen=True)
class Row:
    """One row of the list, and the truth that the list itself does not have."""

    person: int
    cells: dict[str, str]


def generate(seed: int = SEED, rows: int = ROWS) -> list[Row]:
    """That many rows, in the order of the file."""
    draw = Draw(seed)
    people = draw_people(draw, _people_behind(rows))
    counts = _reports_each(draw, len(people), rows)
    found = _found(draw, counts, round(rows * SHARE_FOUND))
    told: list[Row] = []
    for person in people:
        own = _reports_about(draw, person, counts[person.number], found[person.number])
        told += [Row(person.number, cells) for cells in own]
    told = draw.shuffled(told)
    _spoil_names(draw, told, counts, rows // ROWS_PER_UNUSABLE_NAME)
    return [_finished(draw, row, at) for at, row in enumerate(told, start=1)]


def _people_behind(rows: int) -> int:
    """1,100 people behind 1,800 rows, and so in proportion."""
    return max(1, rows * 11 // 18)


def _reports_each(draw: Draw, people: int, rows: int) -> list[int]:
    """How often each person is reported: once at least, and the more often already, the likelier again."""
    about = list(range(people))
    counts = [1] * people
    while len(about) < rows:
        person = draw.choice(about)
        if counts[person] < MOST_REPORTS:
            counts[person] += 1
            about.append(person)
    return counts


def _found(draw: Draw, counts: list[int], number: int) -> list[bool]:
    """Whom the border organisation lists: three in four of them are sought by a family as well."""
    everybody = draw.shuffled(range(len(counts)))
    sought = [person for person in everybody if counts[person] > 1][: number * 3 // 4]
    others = [person for person in everybody if counts[person] == 1][: number - len(sought)]
    found = [False] * len(counts)
    for person in sought + others:
        found[person] = True
    return found


def _reports_about(draw: Draw, person: Person, count: int, found: bool) -> list[dict[str, str]]:
    reports = [found_report(draw, person)] if found else []
    while len(reports) < count:
        reports.append(missing_report(draw, person, draw.choice(person.relatives)))
    return reports


def _spoil_names(draw: Draw, rows: list[Row], counts: list[int], number: int) -> None:
    """Rows with no usable name, each about somebody whom another row names: nobody is lost with them."""
    spoilt: list[int] = []
    for row in draw.shuffled(rows):
        if len(spoilt) == number:
            return
        if row.cells["kind"] == "missing" and counts[row.person] > 1 and row.person not in spoilt:
            row.cells["full_name"] = UNUSABLE_NAMES[len(spoilt) % len(UNUSABLE_NAMES)]
            row.cells["alternate_names"] = ""
            spoilt.append(row.person)


def _finished(draw: Draw, row: Row, at: int) -> Row:
    """With a reference on most rows, and every column in its place."""
    letter = "N" if row.cells["kind"] == "found" else "F"
    reference = draw.maybe(SHARE_WITH_REFERENCE, f"{letter}-{at:06d}")
    cells = {**row.cells, "reporter_reference": reference}
    return Row(row.person, {column: cells.get(column, "") for column in HEADER})


def write(rows: Sequence[Row], out: Path) -> None:
    """As CSV: UTF-8, header first, lines ending in LF on every system."""
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m homeward.onebox.sample.generate", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--out", type=Path, help=f"by default {COMMITTED.name} beside this module")
    chosen = parser.parse_args(arguments)
    if chosen.out is None and (chosen.seed, chosen.rows) != (SEED, ROWS):
        parser.error("another seed or number of rows needs --out: the list beside this module stays as it is")
    out = chosen.out or COMMITTED
    rows = generate(chosen.seed, chosen.rows)
    write(rows, out)
    people = len({row.person for row in rows})
    sys.stdout.write(f"{out}: {len(rows)} rows about {people} people, all synthetic\n")


if __name__ == "__main__":
    main()
