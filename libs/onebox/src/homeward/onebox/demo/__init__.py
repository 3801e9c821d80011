"""The main job, end to end, on the synthetic sample list.

Everything goes through the same HTTP API that partners use; nothing here looks into a database.
"""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from homeward.client.command.output import complain, writable
from homeward.client.session import Refused, Unreachable

from .figures import Figures, print_figures, write_report
from .server import Server, ServerFailed
from .story import LIST, Story, StoryEnded

__all__ = ["run_demo"]


def run_demo(data: Path | None, report: Path | None, tell: Callable[[Path], Figures] | None = None) -> int:
    """Run it in a fresh folder; 0 when everything in it was right, else 1 with a line for each wrong.

    ``tell`` is the story, given the folder; the default is the one on the whole sample list.
    """
    if data is not None and data.exists() and (not data.is_dir() or any(data.iterdir())):
        complain("Cannot do this", f"{data} is not an empty folder, and the demo needs a fresh one.")
        return 2
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        writable(report)
    folder = data or Path(tempfile.mkdtemp(prefix="homeward-demo-"))
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        figures = (tell or told)(folder)
    except (ServerFailed, StoryEnded, Refused, Unreachable) as error:
        complain("The demo failed", str(error))
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    print_figures(figures)
    if report is not None:
        write_report(figures, report)
    for wrong in figures.wrong:
        complain("wrong", wrong)
    return 1 if figures.wrong else 0


def told(folder: Path, list_file: Path = LIST) -> Figures:
    """The story of a list, told on a platform of its own in ``folder``."""
    started = time.monotonic()
    with Server(folder) as server:
        figures = Story(folder, list_file).run(Figures(seconds={"start": server.start_seconds}))
        figures.seconds["total"] = round(time.monotonic() - started, 1)
        figures.seconds["cpu"] = server.cpu_seconds()
    return figures
