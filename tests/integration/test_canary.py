"""Markers in every personal field: none is found anywhere it should not be."""

from __future__ import annotations

import csv
import secrets
from pathlib import Path

import pytest

from harness.places_to_look import everything
from harness.platform import Platform
from homeward.client.lists import send_list
from homeward.client.session import Refused, Session
from homeward.onebox.demo.partners import CONSENTS, PARTNERS, PartnerFeed
from homeward.onebox.demo.settling import settle

FIELDS = (
    "reporter_reference", "full_name", "alternate_names", "sex", "date_of_birth", "age", "id_number",
    "passport_number", "phone", "wechat", "citizenship", "home_province", "home_city",
    "last_known_location", "missing_since", "physical_description", "narrative", "appeal", "police_case",
    "reporter_name", "reporter_relationship", "reporter_contact", "source_list",
)  # fmt: skip
NEVER_CONSENTED = ("police_case", "last_known_location", "reporter_contact")


def marked(number: int) -> dict[str, str]:
    """A row with a marker in every cell; where a cell has a form, it is an unreadable one."""
    return {field: f"canary{field.replace('_', '')}{number:04d}{secrets.token_hex(4)}" for field in FIELDS}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [marked(number) for number in range(150)]


def test_no_marker_is_left_anywhere_in_the_clear(
    platform: Platform, staff: dict[str, Session], rows: list[dict[str, str]], tmp_path: Path
) -> None:
    ngo = next(profile for profile in PARTNERS if profile["kind"] == "NGO")
    partner = PartnerFeed.register({**ngo, "agency": "canary-ngo"}, staff["operator"], platform.folder)
    file = tmp_path / "list.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    # By a guardian: with an unreadable date of birth anybody may be a child.
    consents = [{**CONSENTS[-1], "recipient": "canary-ngo", "given_by": "guardian"}]
    imported = send_list(staff["caseworker"], file, consents=consents)
    assert imported.accepted == len(rows)
    answers = str(imported)
    for bad in ({"full_name": "??", "phone": rows[0]["phone"]}, {"full_name": [rows[0]["full_name"]]}):
        with pytest.raises(Refused) as refused:
            staff["caseworker"].post("/v1/reports", bad)
        answers += str(refused.value.problem)
    settle(staff["operator"], staff["auditor"])
    partner.pull()
    partner.session.close()

    markers = [cell.encode() for row in rows for cell in row.values()]
    assert not [m for m in markers if m in answers.encode()], "answers never echo values"
    for place, content in everything(platform):
        found = b"canary" in content and [m for m in markers if m in content]
        assert not found, f"a marker in {place}"

    read = str(partner.events)
    assert rows[0]["full_name"] in read, "the partner does read what was consented to"
    withheld = [row[field] for row in rows for field in NEVER_CONSENTED]
    assert not [marker for marker in withheld if marker in read], "and nothing else"
