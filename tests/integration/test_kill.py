"""`kill -9` in the middle of an import: nothing is lost, nothing is doubled."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harness.lists import write_list
from harness.platform import Platform, Role
from harness.settle import settle
from homeward.client.lists import Imported, send_list
from homeward.client.session import Session
from homeward.onebox.demo.partners import CONSENTS, PARTNERS, PartnerFeed

ROWS = 600


def import_while_killing(
    platform: Platform, caseworker: Session, file: Path, consents: list[dict[str, Any]], victims: list[Role]
) -> Imported:
    """Send the list; meanwhile kill each victim once its work is under way, and start it again."""
    done: list[Imported] = []
    sending = threading.Thread(
        target=lambda: done.append(send_list(caseworker, file, list_name="kill test", consents=consents))
    )
    sending.start()
    for victim in victims:
        time.sleep(0.4)
        platform.kill(victim)
        time.sleep(0.3)
        platform.start(victim)
    sending.join()
    assert done, "the import itself failed"
    for victim in victims:
        platform.wait_ready(victim)
    return done[0]


def test_a_relay_and_a_consumer_killed_during_an_import_lose_and_double_nothing(
    platform: Platform, staff: dict[str, Session], tmp_path: Path
) -> None:
    operator, auditor = staff["operator"], staff["auditor"]
    ngo = next(p for p in PARTNERS if p["kind"] == "NGO")
    partner = PartnerFeed.register({**ngo, "agency": "kill-test-ngo"}, operator, platform.folder)
    before = operator.get("/v1/counts")
    file = write_list(tmp_path / "list.csv", seed=41, rows=ROWS)
    consents = [*CONSENTS, {**CONSENTS[-1], "recipient": partner.name}]
    victims = [("intake", "relay"), ("verification", "consume"), ("exchange", "consume")]
    imported = import_while_killing(platform, staff["caseworker"], file, consents, victims)
    settle(operator, auditor)

    assert imported.rows == ROWS == imported.accepted + imported.rejected
    after = operator.get("/v1/counts")
    assert after["reports"] - before["reports"] == imported.accepted, "every accepted report has one person"
    partner.pull()
    received = Counter(
        event["data"]["classes"]["envelope"]["report_id"]
        for event in partner.events
        if event["type"] == "homeward.report.received.v1"
    )
    assert len(received) == imported.accepted, "every accepted report reached the partner"
    assert set(received.values()) == {1}, "and only once"
    cases = Counter(e["subject"] for e in partner.events if e["type"] == "homeward.case.opened.v1")
    assert len(cases) == after["persons"] - before["persons"]
    assert set(cases.values()) == {1}, "every person has one case"
    partner.session.close()
    assert [int(e["sequence"]) for e in partner.events] == list(range(1, len(partner.events) + 1))

    settle(operator, auditor)  # the reads above are events too
    history = auditor.get("/v1/audit/completeness")
    assert history["complete"]
    logged = {source["source"]: source for source in history["sources"]}
    for service in ("intake", "verification", "referral", "exchange", "keyring"):
        outbox = operator.get(f"/v1/{service}/outbox")
        source = logged[f"/homeward/{service}/0/{outbox['epoch']}"]
        assert source["count"] == outbox["sequenced"] == outbox["committed"], "one log entry for each event"
        assert operator.get(f"/v1/{service}/dead-letters")["dead_letters"] == []
