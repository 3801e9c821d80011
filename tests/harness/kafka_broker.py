"""What every Kafka of the tests offers, and the settings they share."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import struct
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
HEAP = "-Xmx512m"
# A loaded machine with two cores needs about ten seconds; only a broken broker needs more than this.
START_LIMIT = 90.0
# Metadata, version 1: length, key, version, correlation id, no client id, no topics.
ASK_METADATA = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)
# Length, correlation id, number of brokers.
REPLY = struct.Struct(">iii")


class Kafka(ABC):
    """One broker. A restart changes neither `bootstrap` nor topics, records and offsets."""

    bootstrap: str

    @abstractmethod
    def stop(self) -> None:
        """Shuts down in good order and forgets all data."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL, data kept: for tests of what happens when the broker is gone.

        `restart` then takes ten seconds longer: the cluster waits for the old session to expire.
        """

    @abstractmethod
    def restart(self) -> None:
        """Shuts down, unless killed before, and returns when the broker answers again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def properties(*, listen: str, advertise: str, controller_port: int, log_dirs: str) -> dict[str, str]:
    """A single KRaft node; whatever usually has three replicas has one."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://{listen},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{advertise}",
        "log.dirs": log_dirs,
        # A topic nobody created is a spelling mistake, and must fail as in production.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # The first member of a group need not wait for others.
        "group.initial.rebalance.delay.ms": "0",
    }


def version() -> str:
    """The one Kafka version of the tests, which the POM names for jars and image alike."""
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text())
    assert found is not None, f"{POM} names no kafka.version"
    return found[1]


def cluster_id() -> str:
    """16 random bytes in base64, without the leading dash that the storage tool takes for an option."""
    return "H" + secrets.token_urlsafe(16)[1:]


def answers(bootstrap: str) -> bool:
    """Whether it serves metadata with a broker in it, which it does only once it has joined its own cluster.

    By hand, because a client would log every attempt that comes too early.
    """
    host, port = bootstrap.rsplit(":", 1)
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=3) as connection:
        connection.sendall(ASK_METADATA)
        reply = connection.recv(REPLY.size, socket.MSG_WAITALL)
        return len(reply) == REPLY.size and REPLY.unpack(reply)[2] > 0
    return False
