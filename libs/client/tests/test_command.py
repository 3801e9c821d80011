"""The command as a person and as a script meet it: exit codes, one-line errors, JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.fake_platform import FakePlatform


def run(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HOMEWARD_")}
    command = [sys.executable, "-m", "homeward.client", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **(env or {})}, timeout=60)


IMPORTED = {
    "rows": 2, "accepted": 1, "already_imported": 0, "rejected": 1, "results": [],
    "errors": [{"row": 2, "field": "full_name", "code": "unusable_name", "detail": "A name is needed."}],
}  # fmt: skip


def test_an_import_ends_in_one_json_object_and_exits_1_when_rows_failed(
    fake: FakePlatform, credentials: Path, tmp_path: Path
) -> None:
    fake.answers["POST", "/v1/reports/import"] = (201, IMPORTED)
    file = tmp_path / "list.csv"
    file.write_text("full_name\nA\n?\n")
    errors = tmp_path / "errors.csv"
    done = run("report", "import", file, "--as", credentials, "--json", "--errors", errors)
    assert done.returncode == 1, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {k: v for k, v in IMPORTED.items() if k != "results"}
    assert errors.read_text().splitlines() == [
        "row,field,code,detail",
        "2,full_name,unusable_name,A name is needed.",
    ]


def test_done_is_0_and_credentials_may_come_from_the_environment(
    fake: FakePlatform, credentials: Path
) -> None:
    fake.answers["GET", "/v1/counts"] = (200, {"reports": 5, "persons": 4, "erased": 0})
    done = run("counts", "--json", env={"HOMEWARD_CREDENTIALS": str(credentials)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"reports": 5, "persons": 4, "erased": 0}


def test_a_refusal_is_1_and_names_the_field(fake: FakePlatform, credentials: Path) -> None:
    error = {"field": "person_id", "code": "uuid_parsing", "detail": "Not valid (uuid parsing)."}
    problem = {"status": 422, "title": "Not valid", "detail": "Some fields are not valid.", "errors": [error]}
    fake.answers["POST", "/v1/consents/withdrawals"] = (422, problem)
    done = run("consent", "withdraw", "--person", "x", "--as", credentials)
    assert done.returncode == 1
    assert "Some fields are not valid" in done.stderr
    assert "person_id" in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_there_is_3_and_says_what_to_check(tmp_path: Path) -> None:
    from homeward.client.credentials import create

    create(tmp_path / "c.json", "http://127.0.0.1:9", "me")
    done = run("subject", "erase", "01a20f71-ed69-75d0-a65b-296ca1293551", "--as", tmp_path / "c.json")
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("counts",),
        ("counts", "--as", "/nowhere/c.json"),
        ("events", "ack", "zero"),
        ("nonsense",),
        ("partner", "add", "x", "--name", "X", "--kind", "NGO", "--country", "THA", "--purpose", "search",
         "--clearance", "envelope"),
        ("log", "verify", "/nowhere/b.zip"),
    ],
)  # fmt: skip
def test_bad_usage_is_2_with_a_line_that_says_what_to_do(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_log_that_does_not_verify_is_1(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_text("no zip")
    done = run("log", "verify", tmp_path / "b.zip")
    assert done.returncode == 1
    assert "Not verified" in done.stderr


def test_a_partner_installs_the_client_without_the_platform() -> None:
    """Only homeward.client and homeward.tlog, and none of the services' libraries."""
    script = (
        "import sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        ours = name.startswith('homeward.') and name.split('.')[1] not in ('client', 'tlog')\n"
        "        heavy = name.split('.')[0] in ('fastapi', 'sqlalchemy', 'aiokafka', 'pydantic', 'cedarpy')\n"
        "        if ours or heavy:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "import importlib.metadata\n"
        "importlib.metadata.entry_points = lambda **_: ()\n"
        "sys.argv = ['homeward', '--help']\n"
        "import homeward.client.command as command\n"
        "command.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "events" in done.stdout
