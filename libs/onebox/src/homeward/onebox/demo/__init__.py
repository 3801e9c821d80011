"""The main job, end to end, on the synthetic sample list.

Everything goes through the same HTTP API that partners use; nothing here looks into a database.
"""

import shutil
import tempfile
import time
from pathlib import Path

from homeward.client.command.output import stderr
from homeward.client.session import Refused, Unreachable

from .figures import Figures, print_figures, write_report
from .server import Server, ServerFailed
from .story import Story

__all__ = ["run_demo"]


def run_demo(data: Path | None, report: Path | None) -> int:
    """Run it in a fresh folder; 0 when everything in it was right, else 1 with a line for each wrong."""
    started = time.monotonic()
    if data is not None and data.exists() and any(data.iterdir()):
        stderr.print(f"[red]{data} is not empty:[/] the demo needs a fresh folder.")
        return 2
    folder = data or Path(tempfile.mkdtemp(prefix="homeward-demo-"))
    try:
        with Server(folder) as server:
            figures = Story(folder).run(Figures(seconds={"start": server.start_seconds}))
            figures.seconds["total"] = round(time.monotonic() - started, 1)
            figures.seconds["cpu"] = server.cpu_seconds()
    except (ServerFailed, Refused, Unreachable) as error:
        stderr.print(f"[red]The demo failed:[/] {error}", markup=True)
        return 1
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    print_figures(figures)
    if report is not None:
        write_report(figures, report)
    for wrong in figures.wrong:
        stderr.print(f"[red]wrong:[/] {wrong}")
    return 1 if figures.wrong else 0
