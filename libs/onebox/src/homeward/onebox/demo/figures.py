"""The figures of a demo: for people as a table, for programs as JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from homeward.client.command.output import counted, stdout


@dataclass
class Figures:
    """What happened."""

    reports: int = 0
    rejected: int = 0
    persons: int = 0
    cases: int = 0
    partners: dict[str, dict[str, Any]] = field(default_factory=dict)
    retractions: int = 0
    erased: int = 0
    log: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """A sentence for everything that is not as it must be; empty when all is well."""

    def check(self, holds: bool, sentence: str) -> None:
        """Remember ``sentence`` unless it holds."""
        if not holds:
            self.wrong.append(sentence)


def write_report(figures: Figures, path: Path) -> None:
    """All figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(vars(figures), indent=2) + "\n")


def print_figures(figures: Figures) -> None:
    """The table a person understands."""

    def well(claim: str) -> str:
        return "" if figures.wrong else claim

    table = Table(title="Homeward demo (synthetic data)", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    rejected = f"{counted(figures.rejected, 'row', 'rows')} rejected{well(', each with its reason')}"
    table.add_row("Reports accepted", f"{figures.reports}  ({rejected})")
    table.add_row(
        "Persons they are about", f"{figures.persons}  (exact matches only; look-alikes stay apart)"
    )
    table.add_row("Cases opened", str(figures.cases))
    table.add_section()
    for name, partner in figures.partners.items():
        table.add_row(f"{name}", f"{partner['kind']}, {partner['country']}: {partner['events']} events")
        table.add_row("  sees", _counts(partner["classes"]))
        table.add_row("  withheld", _counts(partner["withheld"]) or "nothing")
    table.add_section()
    table.add_row("Retractions", f"{figures.retractions}{well(', all acknowledged')}")
    table.add_row("Persons erased", f"{figures.erased}{well(', all recipients told')}")
    verified = "yes" if figures.log.get("verified") else "NO"
    table.add_row(
        "Log", f"{figures.log.get('size')} entries, {figures.log.get('gaps')} gaps, verified: {verified}"
    )
    seconds = figures.seconds
    table.add_row(
        "Seconds",
        f"start {seconds.get('start')}, import {seconds.get('import')}, visible {seconds.get('visible')}, "
        f"total {seconds.get('total')}; CPU {seconds.get('cpu')}",
    )
    stdout.print(table)


def _counts(counted: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counted.items())
