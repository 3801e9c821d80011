"""``homeward policy``: what a set would change is put together of many answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.fake_platform import FakePlatform

from .conftest import Homeward

ACTIVE = {
    "digest": "d1",
    "policies": [{"id": "a", "effect": "permit", "reason": "Because."}],
    "texts": {"10.cedar": "permit A", "20.cedar": "permit B"},
    "origin": "operator",
    "reason": "Agreed.",
    "activated_by": "client:operator",
    "activated_at": "2026-11-25T08:00:00Z",
    "redeciding": [
        {"reason": "policies activated", "started_at": None, "persons_decided": 1, "persons": 3},
    ],
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in ("10.cedar", "20.cedar"):
        (tmp_path / name).write_text(f"permit {name}")
    return [tmp_path / "10.cedar", tmp_path / "20.cedar"]


def part(active: str = "d1", after: str | None = None, *effects: tuple[str, str, int, int]) -> Any:
    names = ("agency", "field_class", "revealed", "withdrawn")
    answer = {
        "digest": "d2",
        "active_digest": active,
        "added": [{"id": "b", "effect": "forbid", "reason": "Of late."}],
        "removed": [],
        "changed": [],
        "effects": [dict(zip(names, effect, strict=True)) for effect in effects],
        "persons": 2,
        "all_persons": 4,
        "next": after,
    }
    return (200, answer)


def test_a_check_adds_up_what_is_said_of_some_at_a_time(
    fake: FakePlatform, credentials: Path, homeward: Homeward, files: list[Path]
) -> None:
    fake.answers["POST", "/v1/policies/check"] = [
        part("d1", "p2", ("ngo", "envelope", 1, 0), ("ngo", "status", 0, 2)),
        part("d1", None, ("ngo", "envelope", 3, 1)),
    ]
    ran = homeward("policy", "check", *files, "--as", credentials, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["effects"] == [
        {"agency": "ngo", "field_class": "envelope", "revealed": 4, "withdrawn": 1},
        {"agency": "ngo", "field_class": "status", "revealed": 0, "withdrawn": 2},
    ]
    assert (found["persons"], found["active_digest"]) == (4, "d1")
    asked = [json.loads(body) for _, path, body in fake.requests if path == "/v1/policies/check"]
    assert [one["after"] for one in asked] == [None, "p2"]
    assert asked[0]["texts"] == {"10.cedar": "permit 10.cedar", "20.cedar": "permit 20.cedar"}


def test_a_check_begins_anew_when_other_policies_decide_meanwhile(
    fake: FakePlatform, credentials: Path, homeward: Homeward, files: list[Path]
) -> None:
    fake.answers["POST", "/v1/policies/check"] = [
        part("d1", "p2", ("ngo", "envelope", 7, 0)),
        part("d9", None, ("ngo", "envelope", 7, 0)),
        part("d9", None, ("ngo", "envelope", 1, 0)),
    ]
    found = json.loads(homeward("policy", "check", *files, "--as", credentials, "--json").out)
    assert (found["active_digest"], found["effects"][0]["revealed"]) == ("d9", 1)


def test_a_check_is_told_to_people(
    fake: FakePlatform, credentials: Path, homeward: Homeward, files: list[Path]
) -> None:
    fake.answers["POST", "/v1/policies/check"] = [part("d1", None, ("ngo", "envelope", 4, 1)), part()]
    ran = homeward("policy", "check", *files, "--as", credentials)
    assert ran.out.splitlines()[:3] == [
        "added: forbid b: Of late.",
        "partner\tclass\tevents revealed\tevents withdrawn",
        "ngo\tenvelope\t4\t1",
    ]
    assert "--replaces d1" in ran.out
    assert "changes nothing" in homeward("policy", "check", *files, "--as", credentials).out


def test_a_set_is_activated_with_a_reason(
    fake: FakePlatform, credentials: Path, homeward: Homeward, files: list[Path]
) -> None:
    fake.answers["POST", "/v1/policies"] = (200, ACTIVE)
    assert homeward("policy", "activate", *files, "--as", credentials).code == 2
    options = ("--reason", "Agreed.", "--replaces", "d0", "--as", credentials)
    ran = homeward("policy", "activate", *files, *options)
    assert ran.code == 0
    assert "d1 decides since 2026-11-25T08:00:00Z by client:operator: Agreed." in ran.out
    assert "Being decided again (policies activated): 1 of 3 persons." in ran.out
    sent = json.loads(fake.requests[-1][2])
    assert (sent["reason"], sent["replaces"], len(sent["texts"])) == ("Agreed.", "d0", 2)


def test_a_refused_set_says_what_is_wrong(
    fake: FakePlatform, credentials: Path, homeward: Homeward, files: list[Path]
) -> None:
    error = {"field": "texts", "code": "policies_refused", "detail": "two policies have the @id a"}
    fake.answers["POST", "/v1/policies"] = (422, {"title": "…", "detail": "Not valid.", "errors": [error]})
    ran = homeward("policy", "activate", *files, "--reason", "r", "--as", credentials)
    assert (ran.code, ran.out) == (1, "")
    assert "texts: two policies have the @id a" in ran.err


def test_what_decides_is_shown_and_can_be_had_as_files(
    fake: FakePlatform, credentials: Path, homeward: Homeward, tmp_path: Path
) -> None:
    fake.answers["GET", "/v1/policies"] = (200, {**ACTIVE, "texts": {"../10.cedar": "permit A"}})
    ran = homeward("policy", "show", "--out", tmp_path / "set", "--as", credentials)
    assert "a\tpermit\tBecause." in ran.out
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["10.cedar"]
    assert (tmp_path / "set" / "10.cedar").read_text() == "permit A"
    assert not (tmp_path / "10.cedar").exists()


def test_two_files_of_one_name_are_no_set(
    credentials: Path, homeward: Homeward, files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "10.cedar"
    twin.write_text("permit")
    ran = homeward("policy", "check", *files, twin, "--as", credentials)
    assert (ran.code, ran.err) == (2, "Cannot do this: Two of the files have the same name.\n")
