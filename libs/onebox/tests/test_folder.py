"""A data folder is one platform's at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from homeward.onebox.folder import LOCK, CannotStart, held

HOLDER = """
import sys, time
from pathlib import Path
from homeward.onebox.folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_it_is_made_and_what_is_in_it_stays(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with held(folder):
        (folder / "mine.txt").write_text("mine")
    with held(folder):
        assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", LOCK]
    assert (folder / LOCK).stat().st_mode & 0o777 == 0o600


def test_a_second_one_is_told_who_has_it_until_that_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(CannotStart, match=f"in use by another homeward \\(process {holder.pid}\\)"),
            held(tmp_path),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with held(tmp_path):
        pass


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below", Path("/proc/none")):
        with pytest.raises(CannotStart, match=f"{place} cannot be used as a data folder"), held(place):
            pass
