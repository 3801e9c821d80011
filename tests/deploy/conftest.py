"""The manifests as they are applied, and each service made by the settings and secrets they give it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeward.audit.configure import write_log_key
from homeward.common.parts import Service
from homeward.common.secret_files import write_secret
from homeward.exchange.configure import configure as configure_exchange
from homeward.keyring.configure import configure as configure_keyring

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "k8s/base"
SERVICES = ("intake", "verification", "referral", "exchange", "audit", "keyring")
Manifest = dict[str, Any]

# Stands in for the one kubectl that create-secrets.sh calls: keeps each Secret as a folder.
KUBECTL = """#!/bin/sh
[ "$3" = create ] || exec cat >/dev/null
mkdir -p "$GIVEN/$6"
for argument in "$@"; do
  case $argument in --from-file=*)
    entry=${argument#--from-file=}
    cp -p "${entry#*=}" "$GIVEN/$6/${entry%%=*}" || exit 1
  esac
done
"""


@pytest.fixture(scope="session")
def manifests() -> list[Manifest]:
    """Every object of the base, anchors resolved."""
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return [manifest for name in listed for manifest in _load(BASE / name)]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all secrets, as the ``configure`` commands and an operator make it."""
    made = tmp_path_factory.mktemp("made")
    configure_keyring(made)
    configure_exchange(made, "https://homeward.example")
    write_log_key(made / "log.seed")
    for service in SERVICES:
        url = f"postgresql+asyncpg://localhost/{service}\n"
        write_secret(made / f"{service}.database-url", url)
    return made


@pytest.fixture(scope="session")
def give(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """What ``create-secrets.sh`` gives of them now: a folder a Secret."""
    tools = tmp_path_factory.mktemp("tools")
    (tools / "kubectl").write_text(KUBECTL)
    (tools / "kubectl").chmod(0o755)

    def given() -> Path:
        folder = tmp_path_factory.mktemp("given")
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "GIVEN": str(folder)}
        subprocess.run([DEPLOY / "k8s/create-secrets.sh", made], env=environment, check=True)
        return folder

    return given


@pytest.fixture(scope="session")
def secrets(give: Callable[[], Path]) -> Path:
    """What was given at first."""
    return give()


@pytest.fixture(scope="session")
def services(manifests: list[Manifest], secrets: Path) -> dict[str, Service]:
    """Every service, from exactly what its Deployment is given; nothing is connected to."""
    made = {}
    for name in SERVICES:
        settings = import_module(f"homeward.{name}.settings").Settings
        values = {
            key.lower(): value.replace("/run/secrets/homeward", str(secrets / name))
            for key, value in _settings_of(name, manifests).items()
        }
        unknown = values.keys() - settings.model_fields.keys()
        assert not unknown, f"{name} has no such settings: {unknown}"
        made[name] = import_module(f"homeward.{name}.app").create_service(settings(**values))
    return made


def _load(file: Path) -> Iterator[Manifest]:
    for document in yaml.safe_load_all(file.read_text()):
        yield from document["items"] if document["kind"] == "List" else [document]


def _settings_of(service: str, manifests: list[Manifest]) -> dict[str, str]:
    """Settings by name without the prefix, as a service's container gets them."""
    by_name = {(m["kind"], m["metadata"]["name"]): m for m in manifests}
    (container,) = by_name["Deployment", service]["spec"]["template"]["spec"]["containers"]
    prefix, values = f"{service.upper()}_", {}
    for source in container["envFrom"]:
        assert source["prefix"] == prefix
        values.update(by_name["ConfigMap", source["configMapRef"]["name"]]["data"])
    for entry in container.get("env", []):
        assert entry["name"].startswith(prefix)
        values[entry["name"].removeprefix(prefix)] = entry["value"]
    return values
