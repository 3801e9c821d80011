"""The gateway hands every path to the service that answers it, and nothing inside is seen outside."""

from __future__ import annotations

import re
from pathlib import Path

from homeward.common import http
from homeward.common.parts import Service

GATEWAY = Path(__file__).parents[2] / "deploy/gateway"
INSIDE = (
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/v1/keys",
    "/v1/erasures",
    "/v1/keyring/outbox",
)


def routes() -> dict[str, str]:
    """Path prefix → service."""
    lines = (GATEWAY / "routes.map").read_text().splitlines()
    return {line.split()[0]: line.split()[1] for line in lines if line.startswith("/")}


def owner_of(path: str) -> str | None:
    """Where the gateway sends a path: by the longest prefix, as its map does."""
    known = [prefix for prefix in routes() if path.startswith(prefix)]
    return routes()[max(known, key=len)] if known else None


def paths_of(service: Service) -> set[str]:
    """All paths a service answers, but probes, metrics and schemas."""
    return set(http.create_app(service).openapi()["paths"])


def test_every_path_reaches_its_service(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for path in paths_of(service):
            assert owner_of(path) == (None if name == "keyring" else name), path


def test_what_is_inside_stays_inside() -> None:
    assert not [path for path in INSIDE if owner_of(path)]


def test_no_route_leads_nowhere(services: dict[str, Service]) -> None:
    everywhere = {"/schemas/{event_type}.json"}
    for prefix, name in routes().items():
        assert [path for path in paths_of(services[name]) | everywhere if path.startswith(prefix)], prefix


def test_every_service_routed_to_is_a_backend() -> None:
    configuration = (GATEWAY / "haproxy.cfg").read_text()
    server = re.compile(r'^backend (\w+)\n    server \1 "\1\$\{HOMEWARD_DNS_SUFFIX\}:8080"$', re.MULTILINE)
    assert set(server.findall(configuration)) == set(routes().values())
