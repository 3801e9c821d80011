"""``homeward export``: piece by piece from the platform, one file here."""

from pathlib import Path
from typing import Any

from harness.fake_platform import FakePlatform

from .conftest import Homeward

NEXT = {"Link": '</v1/exports/{}?cursor=c1&limit=200>; rel="next"'}


def pieces(made: str, *contents: bytes) -> list[Any]:
    link = {"Link": NEXT["Link"].format(made)}
    return [*((200, content, link) for content in contents[:-1]), (200, contents[-1])]


def test_pieces_of_csv_become_one_file(
    fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
) -> None:
    out = tmp_path / "people.csv"
    fake.answers["GET", "/v1/exports/htcds"] = pieces("htcds", b"a,b\r\n1,2\r\n", b'a,b\r\n"x\r\ny",4\r\n')
    ran = homeward("export", "htcds", "--out", out, "--as", credentials)
    assert (ran.code, ran.err) == (0, "")
    assert out.read_bytes() == b'a,b\r\n1,2\r\n"x\r\ny",4\r\n'
    assert ran.out.startswith(f"Wrote {out}; 2 reads")
    assert [path for _, path, _ in fake.requests][1] == "/v1/exports/htcds?cursor=c1&limit=200"


def test_pieces_of_xml_become_one_file(
    fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
) -> None:
    out = tmp_path / "people.xml"
    fake.answers["GET", "/v1/exports/pfif"] = pieces(
        "pfif", b"<p>\n<a/>\n<n/>\n</p>\n", b"<p>\n</p>\n", b"<p>\n<b/>\n</p>\n"
    )
    assert homeward("export", "pfif", "--out", out, "--as", credentials).code == 0
    assert out.read_bytes() == b"<p>\n<a/>\n<n/>\n<b/>\n</p>\n"


def test_an_export_that_breaks_off_leaves_the_former_file(
    fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
) -> None:
    out = tmp_path / "people.csv"
    out.write_text("before")
    first, _ = pieces("htcds", b"a,b\r\n1,2\r\n", b"")
    fake.answers["GET", "/v1/exports/htcds"] = [first, (403, {"title": "No", "detail": "Not any more."})]
    ran = homeward("export", "htcds", "--out", out, "--as", credentials)
    assert (ran.code, "Not any more." in ran.err) == (1, True)
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("people")] == ["people.csv"]


def test_what_is_no_export_is_told(
    fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
) -> None:
    fake.answers["GET", "/v1/exports/pfif"] = (200, b"")
    ran = homeward("export", "pfif", "--out", tmp_path / "x", "--as", credentials)
    assert (ran.code, (tmp_path / "x").exists()) == (3, False)
