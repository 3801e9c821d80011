"""docker-compose.yml: the same roles as on Kubernetes, settings that exist, secrets where they belong."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeward.common.main import consume_loops
from homeward.common.parts import Service

ROOT = Path(__file__).parents[2]
CONFIGURING = {"configure-keyring", "configure-exchange", "configure-audit", "secrets"}
Container = dict[str, Any]


@pytest.fixture(scope="session")
def containers() -> dict[str, Container]:
    """Containers by name."""
    found: dict[str, Container] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def ours(containers: dict[str, Container]) -> dict[str, tuple[str, Container]]:
    """The service and the container of each role, by the container's name."""
    return {
        name: (container["image"].removeprefix("homeward-").partition(":")[0], container)
        for name, container in containers.items()
        if container["image"].startswith("homeward-") and name not in {*CONFIGURING, "gateway"}
    }


def test_every_role_of_every_service_runs(
    containers: dict[str, Container], services: dict[str, Service]
) -> None:
    wanted = set()
    for name, service in services.items():
        roles = ["serve", "relay", "migrate", *(["consume"] if consume_loops(service) else [])]
        wanted |= {(name if role == "serve" else f"{name}-{role}", name, role) for role in roles}
    there = {(name, service, container["command"]) for name, (service, container) in ours(containers).items()}
    assert there == wanted


def test_settings_exist_and_name_what_is_given(containers: dict[str, Container]) -> None:
    for service, container in ours(containers).values():
        settings = import_module(f"homeward.{service}.settings").Settings
        for variable, value in container["environment"].items():
            field = variable.removeprefix(f"{service.upper()}_").lower()
            assert field in settings.model_fields, variable
            if field.endswith("_file"):
                assert str(value).startswith("/run/secrets/homeward/")
        required = {name for name, field in settings.model_fields.items() if field.is_required()}
        assert {f"{service}_{name}".upper() for name in required} <= container["environment"].keys()


def test_each_service_has_its_own_secrets_only(containers: dict[str, Container]) -> None:
    for service, container in ours(containers).values():
        assert container["volumes"] == [f"{service}-secrets:/run/secrets/homeward:ro"]
    holding_all = {name for name, c in containers.items() if "secrets:/secrets/all" in c.get("volumes", [])}
    assert holding_all == CONFIGURING
    assert all(containers[name]["network_mode"] == "none" for name in CONFIGURING)


def test_containers_are_confined(containers: dict[str, Container]) -> None:
    for name, container in containers.items():
        assert container["cap_drop"] == ["ALL"], name
        assert container["security_opt"] == ["no-new-privileges:true"]
        assert container["read_only"] is (name != "kafka")
        assert ("ports" in container) == (name == "gateway")
        assert (container.get("user") == "root") == (name in CONFIGURING)


def test_start_follows_what_is_needed(containers: dict[str, Container]) -> None:
    for name, (service, container) in ours(containers).items():
        if container["command"] != "migrate":
            wanted = {f"{service}-migrate": {"condition": "service_completed_successfully"}}
            if service != "keyring":
                wanted["keyring"] = {"condition": "service_healthy"}
            assert container["depends_on"] == wanted, name
