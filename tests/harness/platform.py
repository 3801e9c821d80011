"""The whole platform as an operator runs it: every service role a process of its own, on real Kafka and
PostgreSQL, behind one base URL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from harness.kafka import Kafka
from harness.ports import free_port
from harness.postgres_server import Postgres
from harness.proxy import Proxy
from homeward.client.lists import Imported, send_list
from homeward.client.session import Session
from homeward.common.main import listen, serve
from homeward.onebox.secrets import write_secrets

ROLES = {
    "keyring": ("serve", "relay"),
    "intake": ("serve", "relay", "consume"),
    "verification": ("serve", "relay", "consume"),
    "referral": ("serve", "relay", "consume"),
    "exchange": ("serve", "relay", "consume"),
    "audit": ("serve", "relay", "consume"),
}
START_LIMIT = 90.0

Role = tuple[str, str]
"""(service, role)"""


class Platform:
    """Made by :func:`running_platform`."""

    def __init__(self, folder: Path, postgres: Postgres, kafka: Kafka) -> None:
        self.folder = folder
        self.postgres = postgres
        self.kafka = kafka
        self._ports = _distinct_ports([(s, r) for s, roles in ROLES.items() for r in roles])
        self._processes: dict[Role, subprocess.Popen[bytes]] = {}
        listening = listen("127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._proxy_stop = _serve_in_thread(
            Proxy({name: self._ports[name, "serve"] for name in ROLES}), listening
        )
        self._secrets = write_secrets(folder, self.base_url)

    def start_all(self) -> None:
        """Migrate, start every role, wait until all are ready."""
        for name in ROLES:
            self.postgres.create_database(f"platform_{name}")
        jobs = {name: self._run(name, "migrate") for name in ROLES}
        for name, job in jobs.items():
            assert job.wait(START_LIMIT) == 0, self._log(name, "migrate")
        for role in self._ports:
            self.start(role)
        for role in self._ports:
            self.wait_ready(role)

    @property
    def roles(self) -> list[Role]:
        """All of them."""
        return list(self._ports)

    def url_of(self, role: Role) -> str:
        """The role's own port."""
        return f"http://127.0.0.1:{self._ports[role]}"

    def pid_of(self, role: Role) -> int:
        """The process that runs a role."""
        return self._processes[role].pid

    def start(self, role: Role) -> None:
        """Start one role."""
        self._processes[role] = self._run(*role)

    def kill(self, role: Role) -> None:
        """``kill -9`` of one role."""
        process = self._processes.pop(role)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        """End everything in good order."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._proxy_stop()
        for name in ROLES:
            self.postgres.drop_database(f"platform_{name}")

    def wait_ready(self, role: Role) -> None:
        """Until ``/readyz`` of the role's own port says so."""
        deadline = time.monotonic() + START_LIMIT
        url = self.url_of(role) + "/readyz"
        while time.monotonic() < deadline:
            code = self._processes[role].poll()
            assert code is None, f"{role} ended with {code}:\n{self._log(*role)}"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, trust_env=False).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"{role} is not ready after {START_LIMIT:.0f} s:\n{self._log(*role)}")

    def logs(self) -> str:
        """What all roles logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _run(self, service: str, role: str) -> subprocess.Popen[bytes]:
        prefix = service.upper()
        settings = {
            "DATABASE_URL": self.postgres.url(f"platform_{service}"),
            "BROKER_URL": f"kafka://{self.kafka.bootstrap}",
            "TOPIC_PARTITIONS": "3",
            "PUBLIC_URL": self.base_url,
            "JWKS_URL": f"http://127.0.0.1:{self._ports['exchange', 'serve']}/oauth/jwks",
            "KEYRING_URL": f"http://127.0.0.1:{self._ports['keyring', 'serve']}",
            "PORT": str(self._ports.get((service, role), 0)),
            **self._own_settings(service),
        }
        environment = {**os.environ, **{f"{prefix}_{name}": value for name, value in settings.items()}}
        with (self.folder / f"{service}-{role}.log").open("ab") as log:
            command = [sys.executable, "-m", f"homeward.{service}", role]
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder)

    def _own_settings(self, service: str) -> dict[str, str]:
        secrets = self._secrets
        own = {
            "keyring": {"KEK_FILE": secrets / "kek", "SERVICES_FILE": secrets / "services.json"},
            "exchange": {"ISSUER_KEY_FILE": secrets / "issuer.jwk", "STAFF_FILE": secrets / "staff.json"},
            "audit": {"LOG_KEY_FILE": secrets / "log.key"},
        }.get(service, {})
        if service != "keyring":
            own = {**own, "SERVICE_KEY_FILE": secrets / f"{service}.jwk"}
        return {name: str(path) for name, path in own.items()}

    def _log(self, service: str, role: str) -> str:
        return (self.folder / f"{service}-{role}.log").read_text(errors="replace")[-3_000:]


@contextlib.contextmanager
def importing(caseworker: Session, file: Path, consents: list[dict[str, Any]]) -> Iterator[Future[Imported]]:
    """A list on its way in while the test does something else."""
    with ThreadPoolExecutor(1) as pool:
        name = file.parent.name
        yield pool.submit(send_list, caseworker, file, list_name=name, consents=consents, patience=120)


@contextlib.contextmanager
def running_platform(folder: Path, postgres: Postgres, kafka: Kafka) -> Iterator[Platform]:
    """All roles up and ready; ended with the context."""
    platform = Platform(folder, postgres, kafka)
    try:
        platform.start_all()
        yield platform
    finally:
        platform.stop_all()


def _distinct_ports(roles: list[Role]) -> dict[Role, int]:
    """A free port for each; one that is only about to be used is still free, so it could come twice."""
    ports: dict[Role, int] = {}
    for role in roles:
        while role not in ports or list(ports.values()).count(ports[role]) > 1:
            ports[role] = free_port()
    return ports


def _serve_in_thread(proxy: Proxy, listening: socket.socket) -> Callable[[], None]:
    """Serve the proxy beside the tests, which are synchronous; call what is returned to end it."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(proxy, listening, stop),))
    thread.start()

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(proxy.close())
        loop.close()
        listening.close()

    return end
