"""Lists of synthetic reports, as short as a test likes them."""

from __future__ import annotations

import csv
from pathlib import Path

from homeward.onebox.sample.generate import generate


def write_list(file: Path, seed: int, rows: int) -> Path:
    """A list like the sample's, of other people for another seed."""
    cells = [row.cells for row in generate(seed, rows)]
    for row in cells:
        if row["reporter_reference"]:  # the generator numbers from 1 for every seed
            row["reporter_reference"] = f"{seed}-{row['reporter_reference']}"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(cells[0]))
        writer.writeheader()
        writer.writerows(cells)
    return file
