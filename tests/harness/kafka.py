"""`start_kafka()`: a real Apache Kafka, by the first way that is open on this machine.

1. HOMEWARD_TEST_KAFKA=host:port, a broker somebody else runs;
2. a container, where a Docker engine answers;
3. a process from Kafka's jars, where Java and Maven are installed.
"""

from __future__ import annotations

import os
import time

import pytest

from harness.child import ServerFailed
from harness.kafka_broker import Kafka, answers
from harness.kafka_container import ContainerKafka
from harness.kafka_jars import JarKafka
from harness.unavailable import Unavailable, verdict

__all__ = ["Kafka", "start_kafka"]

VARIABLE = "HOMEWARD_TEST_KAFKA"


def start_kafka() -> Kafka:
    """Returns when the broker answers. Use it in `with`, or call `.stop()`."""
    if bootstrap := os.environ.get(VARIABLE):
        return ExternalKafka(bootstrap)
    reasons = []
    for way in (ContainerKafka, JarKafka):
        try:
            return way()
        except Unavailable as reason:
            reasons.append(reason)
    raise verdict("Kafka", reasons)


class ExternalKafka(Kafka):
    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        deadline = time.monotonic() + 30
        while not answers(bootstrap):
            if time.monotonic() > deadline:
                raise ServerFailed(f"{VARIABLE}={bootstrap} does not answer")
            time.sleep(0.5)

    def stop(self) -> None:
        """Others may be using it."""

    def kill(self) -> None:
        pytest.skip(f"the broker of {VARIABLE} is not ours to kill")

    def restart(self) -> None:
        pytest.skip(f"the broker of {VARIABLE} is not ours to restart")
