"""Apache Kafka in a container of the public image, through testcontainers."""

from __future__ import annotations

import os
import subprocess
import time
import uuid

from harness.child import ServerFailed, last_words
from harness.kafka_broker import HEAP, START_LIMIT, Kafka, answers, cluster_id, properties, version
from harness.ports import free_port
from harness.unavailable import Unavailable

IMAGE = f"apache/kafka:{version()}"
INSIDE = 9092
LOOPBACK = "127.0.0.1"


class ContainerKafka(Kafka):
    def __init__(self) -> None:
        need_image()
        # testcontainers reads this when first imported. Its reaper is one more image to pull; see _Remover.
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
        from testcontainers.core.container import DockerContainer

        port, name = free_port(), f"homeward-kafka-{uuid.uuid4().hex[:12]}"
        self._container = DockerContainer(IMAGE, env=environment(f"{LOOPBACK}:{port}"), name=name)
        # Without passwords it is for this machine alone, which with_bind_ports cannot say but Docker can.
        self._container.ports[str(INSIDE)] = (LOOPBACK, port)  # type: ignore[assignment]
        self._remover = _Remover(name)
        self.bootstrap = f"{LOOPBACK}:{port}"
        try:
            self._container.start()
            self._wait()
        except OSError as error:
            # From the engine, not the broker: ServerFailed is no OSError.
            self.stop()
            raise Unavailable(f"the Docker engine fails ({error})") from error
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not answers(self.bootstrap):
            self._container.reload()
            if self._container.status != "running" or time.monotonic() > deadline:
                said = self._container.get_wrapped_container().logs().decode(errors="replace")
                state = f"{IMAGE} is {self._container.status} and does not answer"
                raise ServerFailed(f"{state}:\n{last_words(said)}")
            time.sleep(0.3)

    def stop(self) -> None:
        self._remover.run()
        self._container.get_docker_client().client.close()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def restart(self) -> None:
        self._container.get_wrapped_container().restart(timeout=30)
        self._wait()


class _Remover:
    """Removes a container once its pipe is closed: by `run`, or by the death of this process."""

    def __init__(self, name: str) -> None:
        self._shell = subprocess.Popen(
            ["sh", "-c", 'cat; exec docker rm --force --volumes "$0"', name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()


def environment(advertise: str) -> dict[str, str]:
    """The broker's properties as the image takes them: `log.dirs` is KAFKA_LOG_DIRS."""
    settings = properties(
        listen=f"0.0.0.0:{INSIDE}",
        advertise=advertise,
        controller_port=INSIDE + 1,
        log_dirs="/tmp/kraft-combined-logs",
    )
    variables = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in settings.items()}
    return {**variables, "CLUSTER_ID": cluster_id(), "KAFKA_HEAP_OPTS": HEAP}


def need_image() -> None:
    """Gives a pull one minute: where no registry is reached, the jars are the shorter way."""
    if not os.environ.get("DOCKER_HOST", "unix:").startswith("unix:"):
        raise Unavailable("the Docker engine is on another machine")
    if not _docker("version", limit=10):
        raise Unavailable("no Docker engine answers")
    if not _docker("image", "inspect", IMAGE, limit=10) and not _docker("pull", "--quiet", IMAGE, limit=60):
        raise Unavailable(f"{IMAGE} is not here and cannot be pulled within a minute")


def _docker(*words: str, limit: float) -> bool:
    try:
        return subprocess.run(["docker", *words], capture_output=True, timeout=limit).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
