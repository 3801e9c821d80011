"""``homeward up`` as a process, as a person starts it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

COMMAND = [sys.executable, "-m", "homeward.client"]
LIMIT = 120


class Up:
    """Started with the context, and ended with it if it still runs."""

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self._data = data
        self._errors = data.parent / f"{data.name}.err"
        command = [*COMMAND, "up", "--data", str(data), *(options or ("--port", "0"))]
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
            )
        self.base_url = ""

    @property
    def said(self) -> str:
        """What it wrote on standard error."""
        return self._errors.read_text()

    @property
    def credentials(self) -> Path:
        return self._data / "credentials"

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and wait; its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(LIMIT)

    def __enter__(self) -> "Up":
        out = self.process.stdout
        assert out is not None
        try:
            assert select.select([out], [], [], LIMIT)[0], "nothing was said"
            word, _, self.base_url = out.readline().strip().partition(" ")
            assert word == "ready", self.said
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def homeward(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Another command, to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
