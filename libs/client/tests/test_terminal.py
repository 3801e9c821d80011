"""The command in a terminal of 80 columns, and at the head of a pipe."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness.fake_platform import FakePlatform

COMMAND = [sys.executable, "-m", "homeward.client"]
IDS = {"receipt": "QK734TM-X8FA7RF-TQAS8CK", "report_id": "01a20f97-f81b-72a3-844d-a78a41516296",
       "event_id": "01a20f97-f81c-7409-bf02-3f769b58d7a5"}  # fmt: skip
HANDED_IN = {
    "rows": 1, "accepted": 1, "already_imported": 0, "rejected": 0, "errors": [],
    "results": [{"row": 1, "outcome": "accepted", **IDS}],
}  # fmt: skip


def in_terminal(*arguments: object) -> tuple[int, str]:
    """Exit code, and all that a terminal of 80 columns was sent, without colours."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65_536):
                written.append(chunk)
        except OSError:
            return  # the other side is closed

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
        timeout=60, check=False,
    )  # fmt: skip
    os.close(theirs)
    reader.join()
    os.close(ours)
    text = b"".join(written).decode().replace("\r\n", "\n")
    return ended.returncode, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def piped(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_ids_are_never_cut_short(fake: FakePlatform, credentials: Path, tmp_path: Path) -> None:
    fake.answers["POST", "/v1/reports"] = (201, HANDED_IN)
    report = tmp_path / "r.json"
    report.write_text('{"full_name": "A"}')
    code, shown = in_terminal("report", "submit", report, "--as", credentials)
    assert code == 0
    assert "…" not in shown
    lines = [line.split() for line in shown.splitlines()]
    for name in ("receipt", "report", "event"):
        assert [name, IDS.get(name) or IDS[f"{name}_id"]] in lines
    through = piped("report", "submit", report, "--as", credentials)
    assert through.stdout.splitlines()[1].split("\t") == ["1", "accepted", *IDS.values()]


def test_a_table_that_fits_is_one(fake: FakePlatform, credentials: Path) -> None:
    fake.answers["GET", "/v1/counts"] = (200, {"reports": 5, "persons": 4})
    code, shown = in_terminal("counts", "--as", credentials)
    assert code == 0
    assert "│ reports │ 5" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert piped("counts", "--as", credentials).stdout == "what\thow many\nreports\t5\npersons\t4\n"


def test_progress_shows_on_a_terminal_and_nowhere_else(
    fake: FakePlatform, credentials: Path, tmp_path: Path
) -> None:
    answer = (201, {**HANDED_IN, "results": []})
    fake.answers["POST", "/v1/reports/import"] = answer
    listed = tmp_path / "list.csv"
    listed.write_text("full_name\n" + "A\n" * 700)
    code, shown = in_terminal("report", "import", listed, "--as", credentials)
    assert code == 0
    assert "importing" in shown
    assert "3/3" in shown
    through = piped("report", "import", listed, "--as", credentials, "--json")
    assert through.stderr == ""
    assert json.loads(through.stdout)["rows"] == 3


def test_an_error_is_a_line_however_long(tmp_path: Path) -> None:
    file = tmp_path / ("long " * 30)
    ended = piped("report", "import", file)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert str(file) in ended.stderr


def test_a_get_that_is_tried_again_says_nothing_of_it(fake: FakePlatform, credentials: Path) -> None:
    fake.answers["GET", "/v1/counts"] = [(503, {}), (200, {"reports": 1})]
    ended = piped("counts", "--as", credentials, "--json")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '{"reports": 1}\n', "")


def test_following_ends_well_when_interrupted_and_each_event_is_out_at_once(
    fake: FakePlatform, credentials: Path, tmp_path: Path
) -> None:
    page = {"events": [{"id": "1"}], "cursor": "c1", "more": False}
    gone = threading.Event()

    def answer(method: str, path: str, body: bytes) -> tuple[int, object]:
        if path == "/oauth/token":
            return 200, {"access_token": "t", "expires_in": 300}
        if "cursor=c1" in path:
            gone.wait(20)
        return 200, page

    fake.answer = answer  # type: ignore[method-assign]
    cursor = tmp_path / "cursor"
    command = [*COMMAND, "events", "follow", "--cursor-file", str(cursor), "--as", str(credentials)]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert following.stdout is not None
    assert json.loads(following.stdout.readline()) == {"id": "1"}
    deadline = time.monotonic() + 20
    while not cursor.exists():
        assert time.monotonic() < deadline, "the next page is asked for, so this one is done with"
        time.sleep(0.02)
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=20)
    gone.set()
    assert (following.returncode, out, err) == (0, "", "")
    assert cursor.read_text() == "c1\n"


def test_the_reader_of_a_pipe_may_leave(fake: FakePlatform, credentials: Path) -> None:
    events = [{"id": str(n), "type": "t", "sequence": str(n), "pad": "x" * 2_000} for n in range(1_000)]
    fake.answers["GET", "/v1/events"] = (200, {"events": events, "cursor": "c", "more": False})
    command = [*COMMAND, "events", "pull", "--json", "--as", str(credentials)]
    pulling = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert pulling.stdout is not None
    assert pulling.stderr is not None
    pulling.stdout.readline()
    pulling.stdout.close()
    assert pulling.stderr.read() == ""
    pulling.stderr.close()
    pulling.wait(20)
