"""The platform as a process of its own, on a free port."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import psutil

START_LIMIT = 180
STOP_LIMIT = 60


class ServerFailed(Exception):
    """It did not start; the message ends with its last words."""


class Server:
    """``homeward up`` on a data folder; ended with the context."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""
        self.start_seconds = 0.0

    def __enter__(self) -> "Server":
        started = time.monotonic()
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            with (self._data / "up.log").open("w") as log:
                command = [
                    sys.executable,
                    "-m",
                    "homeward.client",
                    "up",
                    "--data",
                    str(self._data),
                    "--port",
                    "0",
                ]
                self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - our own command
        except OSError as error:
            raise ServerFailed(f"{self._data}: {error.strerror}") from None
        try:
            self.base_url = self._ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.start_seconds = round(time.monotonic() - started, 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def cpu_seconds(self) -> float:
        """CPU of everything so far: this process, the platform, and its PostgreSQL."""
        assert self._process is not None
        used = sum(os.times()[:2]) + _cpu(psutil.Process(self._process.pid))
        postmaster = int((self._data / "postgres" / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(postmaster)
        used += _cpu(server) + sum(_cpu(child) for child in server.children())
        return round(used, 1)

    def _ready(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], START_LIMIT)[0]:
            raise ServerFailed(f"homeward up was not ready after {START_LIMIT} s; {self._last_words()}")
        word, _, base_url = self._process.stdout.readline().strip().partition(" ")
        if word != "ready":
            raise ServerFailed(f"homeward up ended early; {self._last_words()}")
        return base_url

    def _last_words(self) -> str:
        return f"its last words:\n{(self._data / 'up.log').read_text()[-2_000:].strip()}"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    total: float = times.user + times.system + times.children_user + times.children_system
    return total
