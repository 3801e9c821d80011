"""What all commands share: options, tables or JSON, one line for an error."""

import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..credentials import Credentials, CredentialsUnusable
from ..session import Refused, Session

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)

As = Annotated[
    Path | None,
    typer.Option("--as", metavar="FILE", envvar="HOMEWARD_CREDENTIALS", help="Credentials file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Unusable(Exception):
    """What was given on the command line cannot be used; the message says what and why. Exit code 2."""


def session(credentials: Path | None, *, timeout: float = 60) -> Session:
    """A session of the credentials given; ``timeout`` in seconds, for what takes long."""
    hint = "Give a credentials file by --as or HOMEWARD_CREDENTIALS."
    if credentials is None:
        raise Unusable(f"No credentials were given. {hint}")
    try:
        found = Credentials.read(credentials)
    except CredentialsUnusable as error:
        raise Unusable(f"{_sentence(error)} {hint}") from None
    seen = credentials.stat()
    if seen.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and seen.st_uid == os.geteuid():
        complain("Warning", f"others can read {credentials}; run chmod 600 on it.", style="yellow")
    return Session(found, timeout=timeout)


def say(text: str) -> None:
    """A line for people; never broken into several, whatever it is written to."""
    stdout.print(text, markup=False, soft_wrap=True)


def complain(what: str, why: str, *, style: str = "red") -> None:
    """A line on standard error."""
    stderr.print(f"[{style}]{escape(what)}:[/] {escape(why)}", soft_wrap=True)


def print_json(value: Any) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, none: str) -> None:
    """A table on a terminal that is wide enough for it, else each row as a block of its own: an id cut
    short is no id. For other programs, lines of cells separated by tabs. ``none`` is said of no rows."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        return say(none)
    if not stdout.is_terminal:
        for line in (columns, *cells):
            typer.echo("\t".join(" ".join(cell.split()) for cell in line))
        return None
    table = Table(*columns, header_style="bold")
    for row in cells:
        table.add_row(*map(escape, row))
    wanted = stdout.measure(table, options=stdout.options.update(max_width=10_000)).maximum
    if wanted <= stdout.width:
        return stdout.print(table)
    width = max(map(len, columns))
    for row in cells:
        for column, cell in zip(columns, row, strict=True):
            stdout.print(f"[bold]{column:<{width}}[/]  {escape(cell)}", soft_wrap=True)
        stdout.print()
    return None


def say_refused(refused: Refused) -> None:
    """One line that says what is wrong, then where, then what may help."""
    problem = refused.problem
    complain(_TITLES.get(refused.status) or str(problem.get("title") or "Refused"), str(refused))
    errors = problem.get("errors")
    for error in errors[:20] if isinstance(errors, list) else []:
        if error.get("detail") == str(refused):
            continue
        row = f"row {error['row']}, " if "row" in error else ""
        stderr.print(f"  {row}{error.get('field')}: {error.get('detail')}", markup=False, soft_wrap=True)
    if refused.status == 401:
        say_next("Check the client id and key of the credentials file, and this machine's clock.")
    elif refused.status == 403:
        say_next("Another role's credentials may do this.")
    elif refused.status == 429:
        say_next("Wait a minute, then try again. Nothing was done.")


def say_next(step: str) -> None:
    """What to do about an error, on standard error."""
    stderr.print(f"  {step}", markup=False, soft_wrap=True)


def counted(number: int, one: str, many: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many}"


def readable(file: Path) -> str:
    """The text of a file; Unusable."""
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise Unusable(f"Cannot read {file}: {error.strerror}.") from None


def read_json(file: Path, what: str) -> Any:
    """The JSON in a file; Unusable says where it is none."""
    return parse_json(readable(file), f"{file} is no {what}")


def parse_json(text: str, otherwise: str) -> Any:
    """The JSON in ``text``; Unusable."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unusable(f"{otherwise}: not JSON at {where}.") from None
    except (ValueError, RecursionError):
        raise Unusable(f"{otherwise}: not JSON that can be read.") from None


def writable(file: Path) -> Path:
    """``file``, if it can be written to; Unusable before any work was done for it. Leaves no trace."""
    fresh = not file.exists()
    try:
        file.open("a").close()
    except OSError as error:
        raise Unusable(f"Cannot write {file}: {error.strerror}.") from None
    if fresh:
        file.unlink()
    return file


class Report(Protocol):
    """Told how much is done."""

    def __call__(self, done: int, total: int, /) -> None: ...


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A progress bar on standard error; none when that is not a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
        disable=not stderr.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int, /) -> None:
            bar.update(task, completed=done, total=total)

        yield report


_TITLES = {422: "Not valid", 400: "Not readable", 429: "Too many requests"}
"""Shorter than the problem's own, which repeat what the detail says."""


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
