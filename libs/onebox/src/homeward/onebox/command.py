"""``homeward up`` and ``homeward demo``: added to the command where onebox is installed."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from homeward.common import logs, telemetry

Data = Annotated[Path, typer.Option("--data", help="The data folder; made if it is not there.")]


def app(root: typer.Typer) -> None:
    """Add the commands of the single-node edition."""
    root.command()(up)
    root.command()(demo)


def up(
    data: Data = Path("homeward-data"),
    port: Annotated[int, typer.Option(help="0 takes any free port.", min=0, max=65_535)] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "WARNING",
) -> None:
    """Run all of Homeward on this machine, with an embedded database and log, until interrupted."""
    from .edition import run

    logs.configure("onebox", log_level)
    telemetry.configure("onebox", os.environ.get("ONEBOX_OTLP_ENDPOINT"))

    def ready(base_url: str) -> None:
        typer.echo(f"ready {base_url}")
        sys.stdout.flush()
        typer.echo(f"credentials of the first staff: {data}/credentials/*.json", err=True)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        await run(data, host, port, stop, ready)

    try:
        asyncio.run(until_stopped())
    except OSError as error:
        typer.echo(f"cannot start on {host}:{port}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from None


def demo(
    data: Annotated[Path | None, typer.Option(help="A fresh folder; default: a temporary one.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures here as JSON.")] = None,
) -> None:
    """The main job on the synthetic sample list: import, release, withdraw, erase, verify."""
    from .demo import run_demo

    raise typer.Exit(run_demo(data, report))
