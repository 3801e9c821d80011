"""``docs/partners.md`` does what it says: every block is run, as it stands, one after the other."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .running import LIMIT, Up

GUIDE = Path(__file__).parents[3] / "docs" / "partners.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BINARIES = Path(sys.executable).parent
NAME = "Example Person"
SHELL = "set -euo pipefail\n"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Up]:
    with Up(tmp_path / "platform") as platform:
        yield platform


def test_every_block_of_the_guide_does_what_it_says(platform: Up, tmp_path: Path) -> None:
    folder = tmp_path / "partner"
    folder.mkdir()
    environment = os.environ | {
        "PATH": f"{BINARIES}:{os.environ['PATH']}",
        "BASE": platform.base_url,
        "STAFF": str(platform.credentials),
    }
    languages, outputs, documented = [], [], {}
    for language, text in BLOCK.findall(GUIDE.read_text()):
        languages.append(language)
        if language == "json":
            documented = json.loads(text)
        else:
            outputs.append(_run(language, text, folder, environment))
        if len(languages) == 1:
            _until_released(folder, environment)
    assert languages == ["sh", "sh", "python", "python", "sh", "python", "json", "sh", "sh"]
    command, library, followed, curl, oauth, streamed = outputs[1:7]
    shown = json.loads(command)
    assert _shape(shown) == _shape(documented)
    assert NAME in command
    assert NAME in library
    assert followed.split()[0] == shown["events"][0]["sequence"]
    assert NAME in streamed
    assert json.loads(curl)["events"][0]["subject"] != shown["events"][0]["subject"]
    assert NAME in oauth


def _until_released(folder: Path, environment: dict[str, str]) -> None:
    """A reader of the guide is slower than the platform; a test is not."""
    deadline = time.monotonic() + LIMIT
    while NAME not in _run("sh", "homeward http GET /v1/events --as border-ngo.json", folder, environment):
        assert time.monotonic() < deadline, "nothing was released"


def _run(language: str, text: str, folder: Path, environment: dict[str, str]) -> str:
    """What a block prints; it must end well."""
    text = re.sub(r"^export (BASE|STAFF)=.*\n", "", text, flags=re.MULTILINE)
    command = ["bash", "-c", SHELL + text] if language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _shape(page: dict[str, Any]) -> tuple[set[str], set[str], set[str]]:
    """The names of what a page, its first event and that event's data have."""
    first = page["events"][0]
    return set(page), set(first), set(first["data"])
