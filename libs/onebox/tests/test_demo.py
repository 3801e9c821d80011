"""The demo: the story in miniature, and how what is wrong in it comes out."""

import json
import re
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from homeward.client.command.output import Unusable
from homeward.client.session import Unreachable
from homeward.onebox.demo import run_demo, told
from homeward.onebox.demo.figures import Figures, print_figures
from homeward.onebox.demo.server import Server, ServerFailed
from homeward.onebox.demo.story import LIST, StoryEnded

from .running import COMMAND
from .test_up import left_of

ROWS = 60


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """The first rows of the sample list, and one that cannot be used."""
    lines = LIST.read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "short.csv"
    path.write_text("".join(lines[: ROWS + 1]) + "?" + "," * lines[0].count(",") + "\n", encoding="utf-8")
    return path


def test_the_story_holds_in_miniature(short: Path, apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, report = apart / "data", apart / "new" / "report.json"
    code = run_demo(data, report, partial(told, list_file=short))
    written = capsys.readouterr()
    assert code == 0, written.err
    figures = json.loads(report.read_text())
    assert figures["wrong"] == []
    assert (figures["reports"], figures["rejected"], figures["erased"]) == (ROWS, 1, 1)
    assert figures["log"]["verified"]
    assert set(figures["partners"]) == {"cn-police-liaison", "th-identification", "border-ngo"}
    assert set(figures["seconds"]) == {"start", "import", "visible", "total", "cpu"}
    assert all(line.startswith("· ") for line in written.err.splitlines()), "only its chapters"
    assert re.search(rf"Reports accepted\s+│ {ROWS}  \(1 row rejected", written.out)
    assert max(map(len, written.out.splitlines())) <= 80
    assert left_of(data) == []
    said = (data / "up.log").read_text().splitlines()
    assert [line for line in said if "credentials of the first staff" not in line] == []

    assert run_demo(data, None) == 2, "the folder is not fresh any more"
    assert "is not an empty folder" in capsys.readouterr().err


def test_terminated_it_ends_its_platform(apart: Path) -> None:
    running = subprocess.Popen([*COMMAND, "demo", "--data", str(apart)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (apart / "postgres" / "postmaster.pid").exists():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.terminate()
    assert running.wait(120) == 128 + signal.SIGTERM
    assert left_of(apart) == []


@pytest.mark.parametrize("wrong", [["one"], ["one", "[two]"]])
def test_anything_wrong_is_1_and_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    report = tmp_path / "report.json"
    assert run_demo(tmp_path / "data", report, lambda _: Figures(wrong=wrong)) == 1
    assert capsys.readouterr().err.splitlines() == [f"wrong: {sentence}" for sentence in wrong]
    assert json.loads(report.read_text())["wrong"] == wrong


@pytest.mark.parametrize("error", [StoryEnded("why"), ServerFailed("why"), Unreachable("why")])
def test_a_story_without_an_end_is_1_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def ends(_: Path) -> Figures:
        raise error

    report = tmp_path / "report.json"
    assert run_demo(None, report, ends) == 1
    assert capsys.readouterr().err == "The demo failed: why\n"
    assert not report.exists()


def test_its_own_folder_is_gone_afterwards() -> None:
    used: list[Path] = []

    def tell(folder: Path) -> Figures:
        used.append(folder)
        assert folder.is_dir()
        return Figures()

    assert run_demo(None, None, tell) == 0
    assert not used[0].exists()


def test_a_platform_that_does_not_start_says_its_last_words(apart: Path) -> None:
    (apart / "postgres").mkdir()
    (apart / "postgres" / "mine.txt").write_text("mine")
    words = r"ended early; its last words:\n.*PostgreSQL does not start"
    with pytest.raises(ServerFailed, match=words), Server(apart):
        pass
    with pytest.raises(ServerFailed, match="/proc/none"), Server(Path("/proc/none")):
        pass


def test_a_report_that_cannot_be_written_is_noticed_before(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="Cannot write"):
        run_demo(tmp_path / "data", tmp_path)
    assert not (tmp_path / "data").exists()


def test_what_is_wrong_shows_in_the_table_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures(Figures(retractions=3, log={"size": 0, "verified": False, "gaps": 0}, wrong=["something"]))
    shown = capsys.readouterr().out
    assert "verified: NO" in shown
    assert not [
        claim for claim in ("all acknowledged", "all recipients told", "its reason") if claim in shown
    ]
