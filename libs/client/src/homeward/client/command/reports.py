"""``homeward report``: hand in one report or a list."""

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..lists import Imported, send_list
from .output import As, AsJson, print_json, print_rows, progress, session, stdout

commands = typer.Typer(no_args_is_help=True, help="Hand in reports.")


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
    text = sys.stdin.read() if file == "-" else _read(Path(file))
    try:
        body = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}") from None
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
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Hand in a list. Rows already imported are recognised; sending it again is safe."""
    _read(file)
    stated = json.loads(_read(consents)) if consents else []
    with session(credentials) as platform, progress("importing") as report:
        imported = send_list(
            platform, file, list_name=list_name, consents=stated, dry_run=dry_run, encoding=encoding,
            progress=report,
        )  # fmt: skip
    if errors:
        _write_errors(errors, imported.errors)
    if as_json:
        print_json(imported.summary())
    else:
        _say(imported)
    raise typer.Exit(1 if imported.rejected else 0)


def _say(imported: Imported) -> None:
    stdout.print(
        f"{imported.rows} rows: {imported.accepted} accepted, {imported.already_imported} already imported, "
        f"{imported.rejected} rejected; {len(imported.errors)} cells or rows with remarks."
    )
    for error in imported.errors[:20]:
        stdout.print(f"  row {error['row']}, {error['field']}: {error['detail']}")
    if len(imported.errors) > 20:
        stdout.print(f"  and {len(imported.errors) - 20} more; write them to a file with --errors FILE.")


def _write_errors(path: Path, errors: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("row", "field", "code", "detail"))
        writer.writeheader()
        writer.writerows(errors)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror}") from None
