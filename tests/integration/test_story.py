"""The demo's story in miniature, every service role a process of its own, over HTTP only."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from harness.lists import write_list
from harness.platform import Platform
from homeward.client.session import Session
from homeward.onebox.demo.figures import Figures
from homeward.onebox.demo.settling import settle
from homeward.onebox.demo.story import Story


def test_a_list_becomes_authorised_feeds_and_a_log_that_verifies(platform: Platform, tmp_path: Path) -> None:
    figures = Story(platform.folder, write_list(tmp_path / "list.csv", seed=7, rows=150)).run(Figures())
    assert figures.wrong == []
    assert figures.reports > 100
    assert figures.retractions > 0
    assert figures.erased == 1
    assert figures.log["verified"]
    assert figures.log["gaps"] == 0
    seen = {name: set(partner["classes"]) for name, partner in figures.partners.items()}
    assert len({frozenset(classes) for classes in seen.values()}) == 3, "each partner sees other classes"
    assert len({partner["events"] for partner in figures.partners.values()}) == 3, "and other events"


def test_one_trace_runs_from_the_post_to_the_release(platform: Platform, staff: dict[str, Session]) -> None:
    trace = secrets.token_hex(16)
    handed_in = staff["caseworker"].request(
        "POST",
        "/v1/reports",
        json={"full_name": "Trace Synthetic"},
        headers={"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"},
    )
    received = handed_in.json()["results"][0]["event_id"]
    settle(staff["operator"], staff["auditor"])

    types = set()
    after: int | None = 0
    while after is not None:
        page = staff["auditor"].get("/v1/audit/events", from_index=after, limit=1_000)
        for event in page["events"]:
            attributes = event["attributes"]
            if attributes.get("traceparent", "").split("-")[1:2] == [trace]:
                types.add(attributes["type"])
                if attributes["type"] == "homeward.release.decided.v1":
                    text = json.dumps(event["value"])
                    assert "decided_event_id" in text
        after = page["next_index"] if page["events"] else None
    assert received
    assert types >= {
        "homeward.report.received.v1",
        "homeward.person.registered.v1",
        "homeward.case.opened.v1",
        "homeward.release.decided.v1",
    }


def test_nothing_personal_is_logged_by_any_role(
    platform: Platform, staff: dict[str, Session], tmp_path: Path
) -> None:
    marker = "Markerperson"
    staff["caseworker"].post(
        "/v1/reports",
        {
            "full_name": f"{marker} Synthetic",
            "phone": "+66 00000 5551",
            "narrative": f"{marker} was lured",
            "date_of_birth": f"not a date {marker}",
        },
    )
    settle(staff["operator"], staff["auditor"])
    assert marker not in platform.logs()
