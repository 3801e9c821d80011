"""A server process of ours, held on a leash (see leash.py) so that it cannot outlive the tests."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")


class ServerFailed(RuntimeError):
    """A server that should have started did not; the message ends with what it said last."""


def last_words(log: str, count: int = 25) -> str:
    """The end of a log, without the frames of Java's stack traces, which would push out their reason."""
    lines = [line for line in log.splitlines() if not line.startswith("\tat ")]
    return "\n".join(lines[-count:])


class Child:
    """`stop_signal` is the one by which this kind of server shuts down in good order."""

    def __init__(
        self, command: list[str], *, folder: Path, stop_signal: signal.Signals, user: str = ""
    ) -> None:
        self.name = Path(command[0]).name
        self._log = folder / "log"
        self._stop_signal = stop_signal
        leash = [sys.executable, "-I", "-S", str(LEASH), str(int(stop_signal)), user, str(folder)]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches pytest only, whose fixtures then stop the server.
            self._leash = subprocess.Popen(
                [*leash, *command],
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._leash.poll() is None

    def wait_until(self, ready: Callable[[], bool], limit: float) -> None:
        deadline = time.monotonic() + limit
        while not ready():
            if not self.running:
                raise ServerFailed(f"{self.name} ended with {self._leash.returncode}:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} did not answer in {limit:.0f} s:\n{self._last_words()}")
            time.sleep(0.1)

    def end(self, signum: signal.Signals | None = None) -> None:
        """Ends the process and keeps its folder, to start on it again."""
        if self.running:
            self._send(signum or self._stop_signal)
            try:
                self._leash.wait(30)
            except subprocess.TimeoutExpired:
                self._send(signal.SIGKILL)
        self._leash.wait()
        self.let_go()

    def let_go(self) -> None:
        """Ends the process, and its folder with it if it was still running."""
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        self._leash.wait()

    def _last_words(self) -> str:
        return last_words(self._log.read_text(errors="replace"))

    def _send(self, signum: signal.Signals) -> None:
        assert self._leash.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._leash.stdin.write(f"{int(signum)}\n".encode())
