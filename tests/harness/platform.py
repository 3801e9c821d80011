"""The whole platform as an operator runs it: every service role a process of its own, on real Kafka and
PostgreSQL, behind one base URL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from harness.kafka import Kafka
from harness.otlp import Collector, collecting
from harness.ports import free_port
from harness.postgres_server import Postgres
from harness.proxy import Proxy
from homeward.client.lists import Imported, send_list
from homeward.client.session import Session
from homeward.common.jose import read_key
from homeward.common.keyring_http import HttpKeyring
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
"""(service, role); a further replica of a role is ``role#2``."""


class Platform:
    """Made by :func:`running_platform`."""

    def __init__(
        self, folder: Path, postgres: Postgres, kafka: Kafka, traces: Collector, *, traced: bool = True
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.kafka = kafka
        self.traces = traces
        self._traced = traced
        self._ports = _distinct_ports([(s, r) for s, roles in ROLES.items() for r in roles])
        self._processes: dict[Role, subprocess.Popen[bytes]] = {}
        self.base_url, stop_gateway = _serve_in_thread(Proxy(self._serving))
        self._keyring_url, stop_keyring = _serve_in_thread(Proxy(self._serving, lambda _: "keyring"))
        self._stop_proxies = (stop_gateway, stop_keyring)
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

    def job(self, service: str, role: str) -> str:
        """Run a role to its end; what it said last. AssertionError if it failed."""
        assert self._run(service, role).wait(START_LIMIT) == 0, self._log(service, role)
        return self._log(service, role).splitlines()[-1]

    @contextlib.asynccontextmanager
    async def keyring_as(self, service: str) -> AsyncIterator[HttpKeyring]:
        """The keyring as that service meets it."""
        url, key = self.url_of(("keyring", "serve")), read_key(self._secrets / f"{service}.jwk")
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield HttpKeyring(url, service, key, client=client)

    def pid_of(self, role: Role) -> int:
        """The process that runs a role."""
        return self._processes[role].pid

    def start(self, role: Role) -> None:
        """Start one role, or a further replica of one."""
        while role not in self._ports:
            port = free_port()
            if port not in self._ports.values():
                self._ports[role] = port
        self._processes[role] = self._run(*role)

    def runs(self, role: Role) -> bool:
        """Whether it was started, and neither killed nor stopped since."""
        return role in self._processes

    def kill(self, role: Role) -> None:
        """``kill -9`` of one role."""
        process = self._processes.pop(role)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, role: Role) -> None:
        """End one role in good order, and forget it if it was a further replica."""
        process = self._processes.pop(role)
        process.terminate()
        process.wait(30)
        if "#" in role[1]:
            del self._ports[role]

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
        for stop in self._stop_proxies:
            stop()
        for name in ROLES:
            self.postgres.drop_database(f"platform_{name}")

    def wait_ready(self, role: Role) -> None:
        """Until ``/readyz`` of the role's own port says so."""
        deadline = time.monotonic() + START_LIMIT
        url, said = self.url_of(role) + "/readyz", ""
        while time.monotonic() < deadline:
            code = self._processes[role].poll()
            assert code is None, f"{role} ended with {code}:\n{self._log(*role)}"
            try:
                answer = httpx.get(url, trust_env=False)
                if answer.status_code == 200:
                    return
                said = answer.text
            except httpx.TransportError as error:
                said = type(error).__name__
            time.sleep(0.1)
        raise AssertionError(f"{role} is not ready after {START_LIMIT:.0f} s: {said}\n{self._log(*role)}")

    def logs(self) -> str:
        """What all roles logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _run(self, service: str, role: str) -> subprocess.Popen[bytes]:
        prefix = service.upper()
        settings = {
            "DATABASE_URL": self.postgres.url(f"platform_{service}"),
            "BROKER_URL": f"kafka://{self.kafka.bootstrap}",
            "TOPIC_PARTITIONS": "3",
            "PARTNER_REQUESTS_PER_MINUTE": "0",  # tests and measurements ask without a pause
            "PUBLIC_URL": self.base_url,
            "OTLP_ENDPOINT": self.traces.url if self._traced else "",
            "JWKS_URL": f"{self.base_url}/oauth/jwks",
            "KEYRING_URL": self._keyring_url,
            "PORT": str(self._ports.get((service, role), 0)),
            **self._own_settings(service),
        }
        environment = {**os.environ, **{f"{prefix}_{name}": value for name, value in settings.items()}}
        with (self.folder / f"{service}-{role}.log").open("ab") as log:
            command = [sys.executable, "-m", f"homeward.{service}", role.partition("#")[0]]
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder)

    def _serving(self, service: str) -> list[int]:
        """The ports on which the service's replicas answer."""
        return [
            port for (name, role), port in self._ports.items() if name == service and role.startswith("serve")
        ]

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
def importing(
    caseworker: Session, file: Path, consents: list[dict[str, Any]], **options: Any
) -> Iterator[Future[Imported]]:
    """A list on its way in while the test does something else; ``options`` as for ``send_list``."""
    options = {"list_name": file.parent.name, "consents": consents, "patience": 120, **options}
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(send_list, caseworker, file, **options)


@contextlib.contextmanager
def running_platform(
    folder: Path, postgres: Postgres, kafka: Kafka, *, traced: bool = True
) -> Iterator[Platform]:
    """All roles up and ready, and sending their traces if ``traced``; ended with the context."""
    with collecting() as traces:
        platform = Platform(folder, postgres, kafka, traces, traced=traced)
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


def _serve_in_thread(proxy: Proxy) -> tuple[str, Callable[[], None]]:
    """Serve the proxy beside the tests, which are synchronous: its URL, and what to call to end it."""
    listening = listen("127.0.0.1", 0)
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

    return f"http://127.0.0.1:{listening.getsockname()[1]}", end
