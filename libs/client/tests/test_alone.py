"""A partner installs the client and the log's primitives, and nothing else of Homeward."""

import json
import os
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import homeward.client
import homeward.tlog
from harness.fake_platform import FakePlatform

from .test_bundle import LEAVES, resources, write


def installed_with(name: str, seen: set[str]) -> set[str]:
    """What pip puts side by side for a package of ours and all that it declares to need."""
    seen.add(name)
    found = distribution(name)
    places = set() if name.startswith("homeward-") else {file.parts[0] for file in found.files or []}
    for line in found.requires or []:
        needed = Requirement(line)
        wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if wanted and needed.name not in seen:
            places |= installed_with(needed.name, seen)
    return places


@pytest.fixture
def alone(tmp_path: Path) -> list[str]:
    """A Python that sees the sources of client and tlog, and what they declare to need."""
    site = tmp_path / "site"
    site.mkdir()
    for name in installed_with("homeward-client", set()) - {"..", "__pycache__"}:
        (site / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    sources = [Path(part.__path__[0]).parents[1] for part in (homeward.client, homeward.tlog)]
    script = (
        f"import sys; sys.path += {[*map(str, sources), str(site)]}; "
        "from homeward.client.command import main; main()"
    )
    return [sys.executable, "-I", "-S", "-c", script]


def run(alone: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*alone, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]}, check=False
    )


def test_the_rest_of_homeward_is_not_there(alone: list[str]) -> None:
    for name in ("homeward.common", "homeward.intake", "homeward.onebox", "fastapi", "sqlalchemy"):
        script = alone[-1].partition("; from")[0] + f"; import {name}"
        ended = subprocess.run([*alone[:-1], script], capture_output=True, text=True, check=False)
        assert "ModuleNotFoundError" in ended.stderr, name


def test_all_commands_of_a_partner_are_there(alone: list[str]) -> None:
    shown = run(alone, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for command in ("report", "events", "log", "partner", "consent", "explain", "http"):
        assert f" {command} " in shown.stdout
    assert " up " not in shown.stdout


def test_they_work(alone: list[str], fake: FakePlatform, credentials: Path, tmp_path: Path) -> None:
    fake.answers["GET", "/v1/counts"] = (200, {"reports": 1})
    counted = run(alone, "counts", "--json", "--as", credentials)
    assert (counted.returncode, counted.stderr) == (0, "")
    assert json.loads(counted.stdout) == {"reports": 1}
    verified = run(alone, "log", "verify", write(tmp_path / "b.zip", resources(LEAVES)))
    assert (verified.returncode, verified.stderr) == (0, "")
