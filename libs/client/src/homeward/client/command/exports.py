"""``homeward export``: what you may see, for other systems."""

from pathlib import Path
from typing import Annotated

import typer

from ..exports import Format, export
from .output import As, counted, say, session, writable

commands = typer.Typer(no_args_is_help=True, help="Write what you may see now to a file, for other systems.")
Out = Annotated[Path, typer.Option(help="The file to write.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="export")


@commands.command()
def htcds(out: Out, credentials: As = None) -> None:
    """HTCDS 2.0, a CSV file with a row a person."""
    _write("htcds", out, credentials)


@commands.command()
def pfif(out: Out, credentials: As = None) -> None:
    """PFIF 1.4, an XML file with a record a person, and notes. Whose name you may not see is left out."""
    _write("pfif", out, credentials)


def _write(made: Format, out: Path, credentials: Path | None) -> None:
    writable(out)
    with session(credentials) as platform:
        pieces = export(platform, made, out)
    made_by = counted(pieces, "read", "reads")
    say(f"Wrote {out}; {made_by} in the log. Delete of it what your feed takes back.")
