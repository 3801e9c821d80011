"""Ports for servers that must come back on the same one after a restart."""

from __future__ import annotations

import random
import socket

# Below the ports that systems hand to outgoing connections, one of which could take ours during a restart.
RANGE = range(20_000, 30_000)


def free_port() -> int:
    for port in random.sample(RANGE, 200):
        with socket.socket() as probe:
            # As servers do, so that a connection lingering in TIME_WAIT does not make the port look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port between {RANGE.start} and {RANGE.stop}")
