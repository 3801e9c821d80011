"""The command as a script meets it: exit codes, JSON, one line for an error and one for what to do."""

import json
from pathlib import Path

import pytest

from harness.fake_platform import FakePlatform
from homeward.client.credentials import create

from .conftest import Homeward

PERSON = "01a20f71-ed69-75d0-a65b-296ca1293551"
IMPORTED = {
    "rows": 2, "accepted": 1, "already_imported": 0, "rejected": 1, "results": [],
    "errors": [{"row": 2, "field": "full_name", "code": "unusable_name", "detail": "A name is needed."}],
}  # fmt: skip
SUMMARY = {name: value for name, value in IMPORTED.items() if name != "results"}


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    file = tmp_path / "list.csv"
    file.write_text("full_name\nA\n?\n")
    return file


class TestExitCodes:
    """0 done, 1 the answer is no or some rows failed, 2 usage, 3 nobody there."""

    def test_done_is_0(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake.answers["GET", "/v1/counts"] = (200, {"reports": 5, "persons": 4, "erased": 0})
        ran = homeward("counts", "--as", credentials, "--json")
        assert (ran.code, json.loads(ran.out), ran.err) == (0, {"reports": 5, "persons": 4, "erased": 0}, "")
        monkeypatch.setenv("HOMEWARD_CREDENTIALS", str(credentials))
        assert homeward("counts", "--json") == ran

    def test_a_refusal_is_1_and_names_the_field(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        error = {"field": "person_id", "code": "uuid_parsing", "detail": "Not valid (uuid parsing)."}
        problem = {"title": "The request …", "detail": "Some fields are not valid.", "errors": [error]}
        fake.answers["POST", "/v1/consents/withdrawals"] = (422, problem)
        ran = homeward("consent", "withdraw", "--person", "x", "--as", credentials)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.splitlines() == [
            "Not valid: Some fields are not valid.",
            "  person_id: Not valid (uuid parsing).",
        ]

    @pytest.mark.parametrize(
        ("status", "step"), [(401, "this machine's clock"), (403, "Another role's credentials")]
    )
    def test_who_may_not_is_told_what_may_help(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, status: int, step: str
    ) -> None:
        fake.answers["GET", "/v1/counts"] = (status, {"title": "Not allowed", "detail": "No."})
        ran = homeward("counts", "--as", credentials)
        assert ran.code == 1
        first, second = ran.err.splitlines()
        assert first == "Not allowed: No."
        assert step in second

    def test_nobody_there_is_3_and_says_what_to_check(self, tmp_path: Path, homeward: Homeward) -> None:
        create(tmp_path / "c.json", "http://127.0.0.1:9", "me")
        for arguments in (("counts",), ("subject", "erase", PERSON), ("log", "checkpoint")):
            ran = homeward(*arguments, "--as", tmp_path / "c.json")
            assert ran.code == 3
            assert ran.err.splitlines() == [
                "Cannot reach the platform: http://127.0.0.1:9 does not answer (ConnectError).",
                "  Is it up, and is base_url in the credentials file right?",
            ]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("counts",), "No credentials were given. Give a credentials file by --as"),
            (("counts", "--as", "/nowhere/c.json"), "/nowhere/c.json: No such file or directory. Give a"),
            (("counts", "--as", "/dev/null"), "/dev/null is no credentials file"),
            (("report", "submit", "/nowhere/r.json"), "Cannot read /nowhere/r.json: No such file"),
            (("report", "submit", "/dev/null"), "/dev/null is no report: not JSON at line 1, column 1."),
            (("report", "import", "/nowhere/l.csv"), "Cannot read /nowhere/l.csv: No such file"),
            (
                ("report", "import", "/dev/null", "--consents", "/dev/null"),
                "/dev/null is no list of consents",
            ),
            (("report", "import", "/dev/null", "--errors", "/nowhere/e.csv"), "Cannot write /nowhere/e.csv"),
        ],
    )
    def test_what_cannot_be_used_is_2_and_one_line(
        self, homeward: Homeward, arguments: tuple[str, ...], said: str
    ) -> None:
        ran = homeward(*arguments)
        assert ran.code == 2
        [line] = ran.err.splitlines()
        assert line.startswith("Cannot do this: ")
        assert said in line

    @pytest.mark.parametrize(
        "arguments",
        [
            ("nonsense",),
            ("events", "ack", "zero"),
            ("events", "ack", "0"),
            ("events", "pull", "--limit", "1001"),
            ("partner", "add", "x"),
            ("log", "verify", "/nowhere/b.zip"),
            ("log", "verify", "/"),
        ],
    )
    def test_bad_usage_is_2_and_says_where_help_is(
        self, homeward: Homeward, arguments: tuple[str, ...]
    ) -> None:
        ran = homeward(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "-h' for help" in ran.err
        assert "Traceback" not in ran.err


class TestImport:
    """``homeward report import``."""

    def test_its_last_line_is_one_object_and_nothing_else(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, listed: Path, tmp_path: Path
    ) -> None:
        fake.answers["POST", "/v1/reports/import"] = (201, IMPORTED)
        errors = tmp_path / "errors.csv"
        ran = homeward("report", "import", listed, "--as", credentials, "--json", "--errors", errors)
        assert (ran.code, ran.err) == (1, "")
        assert [json.loads(line) for line in ran.out.splitlines()] == [SUMMARY]
        assert list(SUMMARY) == ["rows", "accepted", "already_imported", "rejected", "errors"]
        assert errors.read_text().splitlines() == [
            "row,field,code,detail",
            "2,full_name,unusable_name,A name is needed.",
        ]

    def test_people_read_the_same_in_a_few_lines(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, listed: Path
    ) -> None:
        fake.answers["POST", "/v1/reports/import"] = (201, IMPORTED)
        ran = homeward("report", "import", listed, "--as", credentials)
        assert ran.out.splitlines() == [
            "2 rows: 1 accepted, 0 already imported, 1 rejected; 1 remark:",
            "  row 2, full_name: A name is needed.",
        ]

    def test_a_dry_run_says_that_nothing_was_recorded(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, listed: Path
    ) -> None:
        whole = {**IMPORTED, "accepted": 2, "rejected": 0, "errors": []}
        fake.answers["POST", "/v1/reports/import"] = (200, whole)
        ran = homeward("report", "import", listed, "--as", credentials, "--dry-run")
        assert ran.code == 0
        assert ran.out == (
            "Checked 2 rows, recorded nothing: 2 accepted, 0 already imported, 0 rejected; 0 remarks.\n"
        )

    def test_many_remarks_are_cut_and_the_way_to_all_is_said(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, listed: Path
    ) -> None:
        many = [{"row": n, "field": "age", "code": "unreadable_age", "detail": "No."} for n in range(1, 31)]
        fake.answers["POST", "/v1/reports/import"] = (201, {**IMPORTED, "errors": many})
        lines = homeward("report", "import", listed, "--as", credentials).out.splitlines()
        assert len(lines) == 22
        assert lines[-1] == "  and 10 more; write them to a file with --errors FILE."

    def test_a_list_that_is_refused_is_1_with_the_reason_once(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, listed: Path
    ) -> None:
        detail = "Line 2 is not utf-8."
        error = {"field": "file", "code": "wrong-encoding", "detail": detail}
        fake.answers["POST", "/v1/reports/import"] = (422, {"detail": detail, "errors": [error]})
        ran = homeward("report", "import", listed, "--as", credentials)
        assert (ran.code, ran.err) == (1, "Not valid: Line 2 is not utf-8.\n")

    def test_an_interrupted_one_says_how_far_it_came(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, listed: Path
    ) -> None:
        listed.write_text("full_name\n" + "A\n" * 301)
        fake.answers["POST", "/v1/reports/import"] = [
            (201, {**IMPORTED, "rows": 300}), (503, {"detail": "Away."})
        ]  # fmt: skip
        ran = homeward("report", "import", listed, "--patience", "1", "--as", credentials)
        assert ran.code == 3
        assert "The first 300 rows were handed in. Send the list again to go on." in ran.err


def test_an_authorised_request_goes_to_the_platform_only(
    fake: FakePlatform, credentials: Path, homeward: Homeward
) -> None:
    fake.answers["POST", "/v1/holds"] = (201, {"hold_id": "x"})
    ran = homeward("http", "post", "/v1/holds", "--data", '{"a": 1}', "--as", credentials)
    assert (ran.code, json.loads(ran.out)) == (0, {"hold_id": "x"})
    assert json.loads(fake.requests[-1][2]) == {"a": 1}
    elsewhere = homeward("http", "get", "https://elsewhere.example/v1", "--as", credentials)
    assert elsewhere.code == 2
    assert "your token goes nowhere else" in elsewhere.err
    assert homeward("http", "post", "/v1/holds", "--data", "{", "--as", credentials).code == 2
    assert len(fake.requests) == 1


def test_credentials_that_others_can_read_are_warned_of(
    fake: FakePlatform, credentials: Path, homeward: Homeward
) -> None:
    fake.answers["GET", "/v1/counts"] = (200, {})
    credentials.chmod(0o644)
    ran = homeward("counts", "--as", credentials)
    assert ran.code == 0
    assert ran.err == f"Warning: others can read {credentials}; run chmod 600 on it.\n"


def test_no_text_of_the_platform_is_taken_for_markup(
    fake: FakePlatform, credentials: Path, homeward: Homeward
) -> None:
    fake.answers["GET", "/v1/partners/x"] = (200, {"name": "[red]NGO[/red] [/]"})
    assert "[red]NGO[/red] [/]" in homeward("partner", "show", "x", "--as", credentials).out
    fake.answers["GET", "/v1/partners/x"] = (404, {"title": "[b]", "detail": "[/] no"})
    assert homeward("partner", "show", "x", "--as", credentials).err == "[b]: [/] no\n"
