"""The demo, in miniature: the same story on the first rows of the sample list."""

import json
import re
from pathlib import Path

import pytest

from homeward.onebox.demo import run_demo
from homeward.onebox.demo.figures import Figures, print_figures
from homeward.onebox.demo.server import Server, ServerFailed
from homeward.onebox.demo.story import LIST

from .test_up import left_of

ROWS = 60


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of the sample list, and one that cannot be used."""
    lines = LIST.read_text(encoding="utf-8").splitlines(keepends=True)
    path: Path = tmp_path_factory.mktemp("list") / "short.csv"
    path.write_text("".join(lines[: ROWS + 1]) + "?" + "," * lines[0].count(",") + "\n", encoding="utf-8")
    return path


def test_the_story_holds_in_miniature(short: Path, apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, report = apart / "data", apart / "new" / "report.json"
    code = run_demo(data, report, short)
    written = capsys.readouterr()
    assert code == 0, written.err
    figures = json.loads(report.read_text())
    assert figures["wrong"] == []
    assert (figures["reports"], figures["rejected"], figures["erased"]) == (ROWS, 1, 1)
    assert figures["log"]["verified"]
    assert set(figures["partners"]) == {"cn-police-liaison", "th-identification", "border-ngo"}
    assert set(figures["seconds"]) == {"start", "import", "visible", "total", "cpu"}
    assert all(line.startswith("· ") for line in written.err.splitlines()), "only its chapters"
    assert re.search(rf"Reports accepted\s+│ {ROWS}  \(1 rows rejected", written.out)
    assert max(map(len, written.out.splitlines())) <= 80
    assert left_of(data) == []
    said = (data / "up.log").read_text().splitlines()
    assert [line for line in said if "credentials of the first staff" not in line] == []

    assert run_demo(data, None, short) == 2, "the folder is not fresh any more"
    assert "is not an empty folder" in capsys.readouterr().err


def test_a_list_of_which_nobody_is_shown_anything_is_1_with_a_reason(
    apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = apart / "nobody.csv"
    nobody.write_text("full_name,citizenship\nSynthetic Person,LAO\n")
    assert run_demo(apart / "data", None, nobody) == 1
    assert "The demo failed: there is nobody on the list" in capsys.readouterr().err
    assert left_of(apart / "data") == []


def test_a_platform_that_does_not_start_is_1_with_its_last_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder cannot be made."""
    assert run_demo(Path("/proc/none"), None) == 1
    assert "The demo failed: /proc/none" in capsys.readouterr().err
    data = tmp_path / "data"
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "mine.txt").write_text("mine")
    with (
        pytest.raises(ServerFailed, match=r"ended early; its last words:\n.*PostgreSQL does not start"),
        Server(data),
    ):
        pass


def test_a_report_that_cannot_be_written_is_noticed_before(tmp_path: Path) -> None:
    from homeward.client.command.output import Unusable

    with pytest.raises(Unusable, match="Cannot write"):
        run_demo(tmp_path / "data", tmp_path, LIST)
    assert not (tmp_path / "data").exists()


def test_what_is_wrong_shows_in_the_table_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures(Figures(log={"size": 0, "verified": False, "gaps": 0}))
    assert "verified: NO" in capsys.readouterr().out
