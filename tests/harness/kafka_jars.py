"""Apache Kafka as a process of ours, from its Maven artifacts: needs Java 17 and, the first time, Maven."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.child import Child, ServerFailed, last_words
from harness.kafka_broker import HEAP, POM, START_LIMIT, Kafka, answers, cluster_id, properties
from harness.ports import free_port
from harness.unavailable import Unavailable

JARS = Path(__file__).parents[2] / "build" / "kafka" / "lib"
OLDEST_JAVA = 17
FETCH_LIMIT = 240


class JarKafka(Kafka):
    def __init__(self) -> None:
        self._java = find_java()
        self._classpath = f"{jars()}/*"
        self._folder = Path(tempfile.mkdtemp(prefix="homeward-kafka-"))
        self._settings = self._folder / "server.properties"
        self._child: Child | None = None
        self.bootstrap = f"127.0.0.1:{free_port()}"
        try:
            self._format()
            self._start()
        except BaseException:
            self.stop()
            raise

    def _command(self, *words: str) -> list[str]:
        return [self._java, HEAP, "-Dlog4j2.level=WARN", *words]

    def _format(self) -> None:
        settings = properties(
            listen=self.bootstrap,
            advertise=self.bootstrap,
            controller_port=free_port(),
            log_dirs=str(self._folder / "data"),
        )
        self._settings.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        tool = ["-cp", self._classpath, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id()}"]
        # A program of one second gains nothing from the optimising compiler.
        command = self._command("-XX:TieredStopAtLevel=1", *tool, "-c", str(self._settings))
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_LIMIT)
        if done.returncode:
            raise ServerFailed(f"kafka storage format failed:\n{last_words(done.stdout + done.stderr)}")

    def _start(self) -> None:
        command = self._command("-cp", self._classpath, "kafka.Kafka", str(self._settings))
        self._child = Child(command, folder=self._folder, stop_signal=signal.SIGTERM)
        self._child.wait_until(lambda: answers(self.bootstrap), START_LIMIT)

    def stop(self) -> None:
        if self._child:
            self._child.let_go()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        assert self._child is not None
        self._child.end(signal.SIGKILL)

    def restart(self) -> None:
        assert self._child is not None
        self._child.end()
        self._start()


def find_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise Unavailable("no java on the PATH")
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise Unavailable(f"java is older than {OLDEST_JAVA}")
    return java


def jars() -> Path:
    """Kafka's jars, copied from Maven once for each content of the POM and kept."""
    stamp = JARS.parent / "pom.sha256"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    with _locked(JARS.parent / "lock"):
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(JARS, ignore_errors=True)
            _copy_jars()
            stamp.write_text(wanted)
    return JARS


def _copy_jars() -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("no mvn on the PATH to fetch Kafka's jars")
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_LIMIT)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"mvn did not fetch Kafka's jars in {FETCH_LIMIT} s") from None
    if done.returncode:
        error = re.search(r"\[ERROR\] (.+)", done.stdout)
        raise Unavailable(
            f"mvn could not fetch Kafka's jars ({error[1][:300] if error else done.stdout[-300:]})"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One pytest process at a time; the system frees the lock of one that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
