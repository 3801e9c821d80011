"""``homeward up``: all of it on one machine, by one command."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from harness.otlp import Collector, collecting
from homeward.onebox.edition import run
from homeward.onebox.folder import CannotStart

from .running import Up, homeward

ROLES = ("operator", "caseworker", "reviewer", "auditor")
CSV = "full_name,age,sex\nSynthetic Person,25,F\n???,,\nAnother Synthetic,31,unknown\n"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as taken:
        yield taken


@pytest.fixture(scope="module")
def data(apart_for_all: Path) -> Path:
    """A folder that holds other files already."""
    folder = apart_for_all / "data"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def up(data: Path, collector: Collector) -> Iterator[Up]:
    """Running, for the tests that only look at it."""
    with Up(data, ONEBOX_OTLP_ENDPOINT=collector.url) as running:
        yield running


@pytest.fixture
def ended(up: Up) -> Up:
    """The same, ended by now, for the tests that start it again; they come last."""
    if up.process.poll() is None:
        assert up.end(signal.SIGTERM) == 0
    return up


def left_of(data: Path) -> list[int]:
    """Processes of the folder's PostgreSQL."""
    folder = str((data / "postgres").resolve())
    return [p.pid for p in psutil.process_iter(["cmdline"]) if folder in (p.info["cmdline"] or ())]


def test_it_says_when_it_is_ready_and_nothing_odd(up: Up, data: Path) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", up.base_url)
    assert up.said == f"credentials of the first staff: {data}/credentials/*.json\n"
    ready = httpx.get(f"{up.base_url}/readyz", trust_env=False)
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "waiting_for": {}})
    assert (data / "notes.txt").read_text() == "mine"


def test_secrets_and_credentials_are_for_their_owner(up: Up, data: Path) -> None:
    assert sorted(path.stem for path in up.credentials.iterdir()) == sorted(ROLES)
    assert {path.stat().st_mode & 0o777 for path in up.credentials.iterdir()} == {0o600}
    public = {"services.json", "staff.json"}
    secrets = [path for path in (data / "secrets").iterdir() if path.name not in public]
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    for folder in (data / "secrets", up.credentials):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_one_on_the_same_folder_is_refused_in_one_line(up: Up, data: Path) -> None:
    second = homeward("up", "--data", data, "--port", 0)
    assert (second.returncode, second.stdout) == (2, "")
    [line] = second.stderr.splitlines()
    assert f"{data} is in use by another homeward (process {up.process.pid})" in line


def test_the_whole_flow_by_the_command(up: Up, tmp_path: Path) -> None:
    """As the README shows it: a partner, a list, its feed, the log."""
    staff = {role: up.credentials / f"{role}.json" for role in ROLES}
    classes = ["envelope", "status", "person_identity"]
    clearance = [word for name in classes for word in ("--clearance", name)]
    added = homeward(
        "partner", "add", "border-ngo", "--name", "Border NGO", "--kind", "NGO", "--country", "THA",
        "--accredited", "--purpose", "assistance", *clearance, "--out", tmp_path / "ngo.json",
        "--as", staff["operator"],
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    (tmp_path / "consents.json").write_text(
        json.dumps([{"purpose": "assistance", "recipient": "border-ngo", "given_by": "none_unreachable",
                     "classes": classes}])
    )  # fmt: skip
    (tmp_path / "list.csv").write_text(CSV)
    imported = homeward(
        "report", "import", tmp_path / "list.csv", "--consents", tmp_path / "consents.json", "--json",
        "--as", staff["caseworker"],
    )  # fmt: skip
    assert (imported.returncode, imported.stderr) == (1, "")
    assert json.loads(imported.stdout) == {
        "rows": 3, "accepted": 2, "already_imported": 0, "rejected": 1,
        "errors": [
            {"row": 2, "field": "full_name", "code": "unusable_name",
             "detail": "A name with at least one letter or character is needed."},
            {"row": 3, "field": "sex", "code": "unknown_sex", "detail": "Not M or F; kept as it came."},
        ],
    }  # fmt: skip
    names: list[str] = []
    cursor: list[str] = []
    for _ in range(10):
        pulled = homeward("events", "pull", "--wait", 20, "--json", *cursor, "--as", tmp_path / "ngo.json")
        assert pulled.returncode == 0, pulled.stderr
        *events, end = map(json.loads, pulled.stdout.splitlines())
        cursor = ["--cursor", end["cursor"]] if end["cursor"] else []
        shown = [event["data"].get("classes", {}).get("person_identity", {}) for event in events]
        names += [identity["full_name"] for identity in shown if "full_name" in identity]
        if len(names) == 2:
            break
    assert sorted(names) == ["Another Synthetic", "Synthetic Person"]
    bundled = homeward("log", "bundle", tmp_path / "log.zip", "--as", staff["auditor"])
    assert bundled.returncode == 0, bundled.stderr
    verified = homeward("log", "verify", tmp_path / "log.zip")
    assert verified.returncode == 0, verified.stderr
    assert "0 gaps" in verified.stdout


def test_it_ends_well_keeps_what_it_knows_and_comes_back_after_a_kill(
    ended: Up, data: Path, collector: Collector
) -> None:
    assert left_of(data) == [], "its PostgreSQL ended with it"
    assert collector.services == {"homeward-onebox"}
    assert "POST /v1/reports/import" in collector.spans
    assert not [span for span in collector.spans if "Synthetic" in span]

    with Up(data) as second:
        assert second.base_url != ended.base_url
        counted = homeward("counts", "--json", "--as", second.credentials / "operator.json")
        assert json.loads(counted.stdout)["reports"] == 2
        second.end(signal.SIGKILL)
    assert left_of(data), "killed, it could not end its PostgreSQL"

    with Up(data) as third:
        counted = homeward("counts", "--json", "--as", third.credentials / "operator.json")
        assert json.loads(counted.stdout)["reports"] == 2
        assert third.end(signal.SIGINT) == 0
    assert left_of(data) == [], "the one left over was taken over and ended"


def test_without_its_database_it_ends_and_says_so(ended: Up, data: Path) -> None:
    with Up(data) as running:
        postmaster = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)
        assert running.process.wait(60) == 1
    assert running.said.splitlines()[-1] == "homeward up ended: its PostgreSQL has ended."
    assert "Traceback" not in running.said


def test_the_key_is_changed_while_all_of_it_runs_and_holds_after_a_restart(ended: Up, data: Path) -> None:
    kek = data / "secrets" / "kek"
    kept = kek.read_text()
    with Up(data) as running:
        operator = running.credentials / "operator.json"
        done = homeward("keys", "rotate", "--json", "--as", operator)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["destroyed_at"]
        report = ("POST", "/v1/reports", "--data", json.dumps({"full_name": "After Synthetic"}))
        assert homeward("http", *report, "--as", running.credentials / "caseworker.json").returncode == 0
    assert kek.read_text() != kept
    assert kek.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kek.parent.glob("*kek*")] == ["kek"]
    with Up(data) as again:
        counted = homeward("counts", "--json", "--as", again.credentials / "operator.json")
        assert json.loads(counted.stdout)["reports"] in (2, 3), "the last may still be on its way"


def test_with_another_key_it_does_not_start(ended: Up, data: Path) -> None:
    kek = data / "secrets" / "kek"
    kept = kek.read_text()
    for text, said in (("00" * 32, "key-encryption key"), ("short", "must hold 64 hexadecimal digits")):
        kek.write_text(text)
        with pytest.raises(CannotStart, match=said):
            asyncio.run(run(data, "127.0.0.1", 0, asyncio.Event(), never))
    kek.write_text(kept)
    assert left_of(data) == []


def never(base_url: str) -> None:
    raise AssertionError(f"ready at {base_url}")
