"""What all commands share: options, tables or JSON, one line for an error."""

import json
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


def session(credentials: Path | None) -> Session:
    """A session of the credentials given."""
    if credentials is None:
        raise CredentialsUnusable("no credentials were given")
    return Session(Credentials.read(credentials))


def print_json(value: Any) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table."""
    table = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    stdout.print(table)


def say_refused(refused: Refused) -> None:
    """One line that says what is wrong, then where."""
    problem = refused.problem
    title = problem.get("title", f"refused ({refused.status})")
    stderr.print(f"[red]{escape(title)}:[/] {escape(str(refused))}")
    for error in problem.get("errors", [])[:20]:
        row = f"row {error['row']}, " if "row" in error else ""
        stderr.print(f"  {row}{escape(error['field'])}: {escape(error['detail'])} ({escape(error['code'])})")
    if refused.status == 401:
        stderr.print("  Check the client id and key of the credentials file, and this machine's clock.")


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
