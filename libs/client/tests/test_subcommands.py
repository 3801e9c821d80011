"""Feeds, partners and the log, by the command."""

import json
from collections.abc import Mapping
from pathlib import Path

from harness.fake_platform import FakePlatform

from .conftest import Homeward
from .test_bundle import LEAVES, VKEY, leaves_of, resources, write


class TestEvents:
    """``homeward events``."""

    PAGE = (200, {"events": [{"id": "1", "type": "t.v1", "sequence": "0" * 19 + "1", "data": {"名": "王"}}],
                  "cursor": "c1", "more": False})  # fmt: skip

    def test_pulled_events_are_lines_and_the_end_is_an_object(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        fake.answers["GET", "/v1/events"] = self.PAGE
        ran = homeward("events", "pull", "--as", credentials, "--json")
        event, end = map(json.loads, ran.out.splitlines())
        assert event == self.PAGE[1]["events"][0]  # type: ignore[index]
        assert end == {"events": 1, "last_sequence": 1, "cursor": "c1"}
        assert "王" in ran.out

    def test_into_a_file(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
    ) -> None:
        fake.answers["GET", "/v1/events"] = self.PAGE
        ran = homeward("events", "pull", "--as", credentials, "--out", tmp_path / "e.jsonl")
        assert len((tmp_path / "e.jsonl").read_text().splitlines()) == 1
        assert ran.out.splitlines() == [
            "type\tevents",
            "t.v1\t1",
            "1 event; last sequence 1; cursor c1",
            "When you have handled them: homeward events ack 1",
        ]

    def test_nothing_new_says_so(self, fake: FakePlatform, credentials: Path, homeward: Homeward) -> None:
        fake.answers["GET", "/v1/events"] = (200, {"events": [], "cursor": "c1", "more": False})
        assert homeward("events", "pull", "--as", credentials).out == "No new events.\n"

    def test_acknowledged(self, fake: FakePlatform, credentials: Path, homeward: Homeward) -> None:
        fake.answers["POST", "/v1/events/ack"] = (200, {"sequence": 7})
        assert homeward("events", "ack", "5", "--as", credentials).out == "Acknowledged up to 7.\n"
        assert json.loads(homeward("events", "ack", "5", "--as", credentials, "--json").out) == {
            "sequence": 7
        }


class TestPartners:
    """``homeward partner``: a key is left behind only when it was registered."""

    ADD = ("partner", "add", "ngo", "--name", "NGO", "--kind", "NGO", "--country", "THA", "--purpose",
           "search", "--clearance", "envelope")  # fmt: skip

    def test_its_credentials_are_written_when_it_is_registered(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
    ) -> None:
        out = tmp_path / "ngo.json"
        fake.answers["POST", "/v1/partners"] = [
            (409, {"title": "Conflict", "detail": "Taken."}),
            (201, {"agency": "ngo"}),
        ]
        assert homeward(*self.ADD, "--out", out, "--as", credentials).code == 1
        assert not out.exists()
        assert homeward(*self.ADD, "--out", out, "--as", credentials).code == 0
        sent = json.loads(fake.requests[-1][2])
        assert sent["public_jwk"]["x"] == json.loads(out.read_text())["private_jwk"]["x"]
        assert "d" not in sent["public_jwk"]
        assert sent["data_home"] == "THA"
        again = homeward(*self.ADD, "--out", out, "--as", credentials)
        assert (again.code, again.err) == (2, f"Cannot do this: {out} is there already; name another file\n")

    def test_a_rotation_that_fails_leaves_no_key_either(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
    ) -> None:
        out = tmp_path / "ngo.json"
        fake.answers["POST", "/v1/partners/ngo/rotate-key"] = (404, {})
        assert homeward("partner", "rotate-key", "ngo", "--out", out, "--as", credentials).code == 1
        assert not out.exists()

    def test_a_private_key_is_not_sent_by_mistake(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
    ) -> None:
        jwk = tmp_path / "jwk.json"
        jwk.write_text(json.dumps(json.loads(credentials.read_text())["private_jwk"]))
        ran = homeward(*self.ADD, "--public-jwk", jwk, "--as", credentials)
        assert (ran.code, fake.requests) == (2, [])
        assert "holds a private key" in ran.err


class TestKeys:
    """``homeward keys``."""

    DONE = (200, {"kek_id": "n1", "former_kek_id": "o1", "keys": 7, "destroyed_at": "2026-01-02T03:04:05Z"})

    def test_the_key_that_was_destroyed_is_named_with_the_time(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        fake.answers["POST", "/v1/keyring/rotations"] = self.DONE
        assert homeward("keys", "rotate", "--as", credentials).out.splitlines() == [
            "7 data keys are wrapped by n1.",
            "o1 was destroyed at 2026-01-02T03:04:05Z.",
        ]
        assert json.loads(homeward("keys", "rotate", "--json", "--as", credentials).out) == self.DONE[1]

    def test_a_refusal_is_1(self, fake: FakePlatform, credentials: Path, homeward: Homeward) -> None:
        fake.answers["POST", "/v1/keyring/rotations"] = (409, {"detail": "Another process is at it."})
        ran = homeward("keys", "rotate", "--as", credentials)
        assert (ran.code, ran.out) == (1, "")
        assert "Another process is at it." in ran.err


class TestLog:
    """``homeward log``: verified offline, and every flaw is an exit code."""

    def test_a_whole_one_is_0(self, homeward: Homeward, tmp_path: Path) -> None:
        file = write(tmp_path / "b.zip", resources(LEAVES))
        ran = homeward("log", "verify", file, "--vkey", VKEY)
        assert ran.code == 0
        assert ran.out.splitlines() == [
            "source\tlast sequence\tmissing\tgiven twice",
            "/a\t400\tnone\tnone",
            "/b\t200\tnone\tnone",
            "Verified: 600 entries of test.example/log, nothing changed; 0 gaps.",
        ]
        told = json.loads(homeward("log", "verify", file, "--json").out)
        assert (told["verified"], told["size"], told["gaps"], told["repeated"]) == (True, 600, 0, 0)
        assert "give --vkey" in homeward("log", "verify", file).out

    def test_a_gap_and_a_number_given_twice_are_1(self, homeward: Homeward, tmp_path: Path) -> None:
        file = write(tmp_path / "b.zip", resources(leaves_of([("/a", n) for n in (1, 4, 6, 6)])))
        ran = homeward("log", "verify", file)
        assert ran.code == 1
        assert "/a\t6\t2-3, 5\t6" in ran.out
        assert "2 gaps, 1 given twice." in ran.out

    def test_what_does_not_verify_is_1_and_says_why(self, homeward: Homeward, tmp_path: Path) -> None:
        (tmp_path / "b.zip").write_text("no zip")
        ran = homeward("log", "verify", tmp_path / "b.zip")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("Not verified: ")
        told = json.loads(homeward("log", "verify", tmp_path / "b.zip", "--json").out)
        assert told["verified"] is False

    def test_completeness_is_the_answer(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        source = {"source": "/a", "first": 1, "last": 9, "count": 8, "missing": 1,
                  "gaps": [{"first": 3, "last": 3}], "more_gaps": False}  # fmt: skip
        state = {
            "size": 8,
            "complete": False,
            "settled": False,
            "sources": [source],
            "missing_sources": ["/b"],
        }
        fake.answers["GET", "/v1/audit/completeness"] = (200, state)
        ran = homeward("log", "completeness", "--as", credentials)
        assert ran.code == 1
        assert "/a\t9\t8\t3" in ran.out
        assert "Nothing at all is there of /b" in ran.out
        assert "Not complete: 8 entries. Events are under way" in ran.out
        fake.answers["GET", "/v1/audit/completeness"] = (
            200, {**state, "complete": True, "settled": True, "sources": [], "missing_sources": []},
        )  # fmt: skip
        assert homeward("log", "completeness", "--as", credentials).code == 0


class TestStages:
    """``homeward partner offboard`` and its like, and ``homeward sandbox``."""

    LEAVING: Mapping[str, object] = {
        "agency": "ngo", "leaving_since": "2026-11-25T08:00:00Z", "left_at": None, "event_id": None,
        "releases": 7, "standing": 2, "retractions": 5, "unacknowledged": 4,
        "acknowledged_sequence": 3, "last_sequence": 12,
    }  # fmt: skip

    def test_leaving_says_what_is_yet_to_be_done(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        fake.answers["POST", "/v1/partners/ngo/offboard"] = (200, self.LEAVING)
        assert homeward("partner", "offboard", "ngo", "--as", credentials).out.splitlines() == [
            "ngo leaves since 2026-11-25T08:00:00Z.",
            "7 releases, of which 2 are still to be taken back.",
            "5 retractions and erasures, 4 not acknowledged.",
        ]
        left = {**self.LEAVING, "left_at": "2026-11-26T08:00:00Z", "event_id": "e1"}
        fake.answers["POST", "/v1/partners/ngo/close"] = (200, left)
        ran = homeward("partner", "close", "ngo", "--reason", "Dissolved.", "--as", credentials)
        assert "homeward log prove e1" in ran.out
        assert json.loads(fake.requests[-1][2]) == {"reason": "Dissolved."}
        fake.answers["GET", "/v1/partners/ngo/certificate"] = (200, left)
        shown = homeward("partner", "certificate", "ngo", "--as", credentials, "--json")
        assert json.loads(shown.out) == left

    def test_going_live_and_losing_all_keys(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        fake.answers["POST", "/v1/partners/ngo/go-live"] = (200, {"last_sequence": 6})
        assert homeward("partner", "go-live", "ngo", "--as", credentials).out == "ngo is live.\n"
        key = {"kid": "k1", "since": "a", "until": None, "revoked_at": "b"}
        fake.answers["POST", "/v1/partners/ngo/revoke"] = (200, {"keys": [key]})
        ran = homeward("partner", "revoke", "ngo", "--as", credentials)
        assert ran.out.splitlines() == ["key\tsince\tgood until\trevoked", "k1\ta\t\tb"]

    def test_trying_out(self, fake: FakePlatform, credentials: Path, homeward: Homeward) -> None:
        for command, path in (("report", "reports"), ("withdraw", "withdrawals")):
            fake.answers["POST", f"/v1/own/sandbox/{path}"] = (200, {"last_sequence": 8})
            assert "ends at 8 now" in homeward("sandbox", command, "--as", credentials).out


class TestExplain:
    """``homeward explain``."""

    ANSWER: Mapping[str, object] = {
        "event_id": "e1", "type": "t.v1", "agency": "ngo", "decided": True, "policy_digest": "d1",
        "releases": [{"kind": "release", "sequence": 7, "state": "live", "classes": ["envelope"],
                      "withheld": ["health"]}],
        "classes": [{"field_class": "envelope", "allowed": True, "policies": ["permit.a"]},
                    {"field_class": "health", "allowed": False, "policies": []}],
        "policy_reasons": {"permit.a": "Because."},
    }  # fmt: skip

    def test_it_says_what_was_released_and_what_is_decided_now(
        self, fake: FakePlatform, credentials: Path, homeward: Homeward
    ) -> None:
        fake.answers["GET", "/v1/decisions/e1"] = (200, self.ANSWER)
        ran = homeward("explain", "e1", "--as", credentials)
        assert ran.out.splitlines() == [
            "release 7 (live)",
            "  sees      envelope",
            "  withheld  health",
            "now, by the policies d1:",
            "  allowed   envelope: permit.a",
            "  withheld  health",
            "  permit.a: Because.",
        ]
        fake.answers["GET", "/v1/decisions/e1"] = (200, {**self.ANSWER, "releases": [], "classes": []})
        assert homeward("explain", "e1", "--agency", "ngo", "--as", credentials).out.startswith(
            "ngo sees nothing of it"
        )
