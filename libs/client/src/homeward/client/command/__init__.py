"""The ``homeward`` command. Exit codes: 0 done, 1 the answer is "no" or some rows failed, 2 usage,
3 the platform cannot be reached."""

import sys
from importlib.metadata import entry_points

import typer

from ..credentials import CredentialsUnusable
from ..session import Refused, Unreachable
from . import consents, events, logs, operations, partners, reports
from .output import say_refused, stderr

app = typer.Typer(
    name="homeward",
    help="Coordinate cases across borders: each partner sees exactly what it may.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (reports, partners, consents, events, logs, operations):
    module.register(app)


def main() -> None:
    """Run the command."""
    for found in sorted(entry_points(group="homeward.commands"), key=lambda point: point.name):
        found.load()(app)
    try:
        app()
    except Refused as refused:
        say_refused(refused)
        sys.exit(1)
    except Unreachable as error:
        stderr.print(f"[red]Cannot reach the platform:[/] {error}. Is it up, and is base_url right?")
        sys.exit(3)
    except CredentialsUnusable as error:
        stderr.print(f"[red]{error}[/]. Give a credentials file by --as or HOMEWARD_CREDENTIALS.")
        sys.exit(2)
