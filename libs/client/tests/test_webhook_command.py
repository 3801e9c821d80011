"""``homeward webhook``: what the platform is asked, and what is shown."""

import json
from pathlib import Path

from harness.fake_platform import FakePlatform

from .conftest import Homeward

PATH = "/v1/own/webhook"
STATE = {"url": "https://ngo.example/hook", "payload": "full", "delivered_sequence": 7, "disabled": None}


def test_one_is_added_and_its_secret_shown(homeward: Homeward, fake: FakePlatform, credentials: Path) -> None:
    fake.answers["PUT", PATH] = [(200, {**STATE, "secret": "whsec_x"})] * 2
    shown = homeward("webhook", "add", STATE["url"], "--payload", "ids", "--as", credentials)
    assert (shown.code, shown.err) == (0, "")
    assert "whsec_x" in shown.out
    assert "disabled" not in shown.out
    assert json.loads(fake.requests[0][2]) == {"url": STATE["url"], "payload": "ids"}
    as_json = homeward("webhook", "add", STATE["url"], "--as", credentials, "--json")
    assert json.loads(as_json.out)["secret"] == "whsec_x"


def test_how_it_goes_is_shown(homeward: Homeward, fake: FakePlatform, credentials: Path) -> None:
    fake.answers["GET", PATH] = (200, {**STATE, "disabled": "gone"})
    shown = homeward("webhook", "list", "--as", credentials)
    assert "gone" in shown.out
    assert "delivered sequence" in shown.out


def test_a_test_that_does_not_arrive_is_a_no(
    homeward: Homeward, fake: FakePlatform, credentials: Path
) -> None:
    fake.answers["POST", f"{PATH}/test"] = [
        (200, {"delivered": True, "problem": None}),
        (200, {"delivered": False, "problem": "timeout"}),
    ]
    assert homeward("webhook", "test", "--as", credentials).code == 0
    failed = homeward("webhook", "test", "--as", credentials)
    assert failed.code == 1
    assert "timeout" in failed.out + failed.err


def test_going_back_another_secret_and_an_end(
    homeward: Homeward, fake: FakePlatform, credentials: Path
) -> None:
    fake.answers["POST", f"{PATH}/recover"] = (200, STATE)
    fake.answers["POST", f"{PATH}/rotate-secret"] = (200, {**STATE, "secret": "whsec_y"})
    fake.answers["DELETE", PATH] = (204, b"")
    since = "2026-11-24T00:00:00Z"
    assert homeward("webhook", "recover", since, "--as", credentials).code == 0
    assert json.loads(fake.requests[-1][2]) == {"since": since}
    assert "whsec_y" in homeward("webhook", "rotate-secret", "--as", credentials).out
    assert homeward("webhook", "remove", "--as", credentials).code == 0
