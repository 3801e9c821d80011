"""``homeward report``: hand in one report or a list."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..lists import Imported, send_list
from ..session import Refused, Unreachable
from .output import (
    As,
    AsJson,
    counted,
    parse_json,
    print_json,
    print_rows,
    progress,
    read_json,
    readable,
    say,
    say_next,
    session,
    writable,
)

commands = typer.Typer(no_args_is_help=True, help="Hand in reports.")
SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="report")


@commands.command()
def submit(
    file: Annotated[str, typer.Argument(help="A JSON file with one report or a list of them; - for stdin.")],
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Hand in one report, or up to 1,000, as JSON by the canonical columns."""
    text = sys.stdin.read() if file == "-" else readable(Path(file))
    body = parse_json(text, "Standard input is no report" if file == "-" else f"{file} is no report")
    with session(credentials) as platform:
        answer = platform.post("/v1/reports", body)
    imported = Imported()
    imported.add(answer)
    if as_json:
        print_json(answer)
    else:
        print_rows(
            ("row", "outcome", "receipt", "report", "event"),
            [(r["row"], r["outcome"], r.get("receipt"), r.get("report_id"), r.get("event_id"))
             for r in answer["results"]],
            none="Nothing was handed in.",
        )  # fmt: skip
        _say(imported)
    raise typer.Exit(1 if imported.rejected else 0)


@commands.command("import")
def import_list(
    file: Annotated[Path, typer.Argument(help="CSV with a header of canonical columns.")],
    list_name: Annotated[str, typer.Option("--list", help="The list's name, where rows name none.")] = "",
    consents: Annotated[
        Path | None, typer.Option(help="JSON list of consents that hold for every row.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Check only; record nothing.")] = False,
    errors: Annotated[Path | None, typer.Option(help="Write the errors to this CSV file.")] = None,
    encoding: Annotated[str, typer.Option(help="utf-8, gb18030, big5 or utf-16.")] = "utf-8",
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to go on trying while the platform is away.")
    ] = 20,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Hand in a list. Rows already imported are recognised; sending it again is safe."""
    readable(file)
    stated = read_json(consents, "list of consents") if consents else []
    if errors:
        writable(errors)
    imported = Imported()
    try:
        with session(credentials) as platform, progress("importing") as report:
            send_list(
                platform, file, list_name=list_name, consents=stated, dry_run=dry_run, encoding=encoding,
                imported=imported, patience=patience, progress=report,
            )  # fmt: skip
    except (Refused, Unreachable):
        if imported.rows and not dry_run:
            say_next(f"The first {imported.rows} rows were handed in. Send the list again to go on.")
        raise
    if errors:
        _write_errors(errors, imported.errors)
    if as_json:
        print_json(imported.summary())
    else:
        _say(imported, dry_run=dry_run)
    raise typer.Exit(1 if imported.rejected else 0)


def _say(imported: Imported, *, dry_run: bool = False) -> None:
    rows, remarks = counted(imported.rows, "row", "rows"), len(imported.errors)
    start = f"Checked {rows}, recorded nothing" if dry_run else rows
    say(
        f"{start}: {imported.accepted} accepted, {imported.already_imported} already imported, "
        f"{imported.rejected} rejected; {counted(remarks, 'remark', 'remarks')}{':' if remarks else '.'}"
    )
    for error in imported.errors[:SHOWN]:
        say(f"  row {error['row']}, {error['field']}: {error['detail']}")
    if remarks > SHOWN:
        say(f"  and {remarks - SHOWN} more; write them to a file with --errors FILE.")


def _write_errors(path: Path, errors: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("row", "field", "code", "detail"))
        writer.writeheader()
        writer.writerows(errors)
