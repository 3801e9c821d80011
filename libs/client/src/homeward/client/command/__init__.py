"""The ``homeward`` command. Exit codes: 0 done, 1 the answer is "no" or some rows failed, 2 usage,
3 the platform cannot be reached."""

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer

from ..credentials import CredentialsUnusable
from ..session import Refused, Unreachable
from . import consents, events, exports, logs, operations, partners, policies, reports, stages, webhooks
from .output import Unusable, complain, say_next, say_refused


def create_app() -> typer.Typer:
    """The partner's commands, and those of whatever else is installed."""
    app = typer.Typer(
        name="homeward",
        help="Coordinate cases across borders: each partner sees exactly what it may.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in (
        reports, partners, stages, policies, consents, events, webhooks, exports, logs, operations,
    ):  # fmt: skip
        module.register(app)
    for found in sorted(entry_points(group="homeward.commands"), key=lambda point: point.name):
        found.load()(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; ends by SystemExit."""
    # What is tried again says so to the log; here nobody reads one.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    try:
        create_app()(args=arguments)
    except Refused as refused:
        say_refused(refused)
        sys.exit(1)
    except Unreachable as error:
        complain("Cannot reach the platform", f"{error}.")
        say_next("Is it up, and is base_url in the credentials file right?")
        sys.exit(3)
    except (Unusable, CredentialsUnusable) as error:
        complain("Cannot do this", str(error))
        sys.exit(2)
