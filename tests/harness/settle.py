"""Waiting until nothing is under way any more, by what the services say of themselves."""

from __future__ import annotations

import time

from homeward.client.session import Session

SERVICES = ("intake", "verification", "referral", "exchange", "keyring")


def settle(operator: Session, auditor: Session, limit: float = 120.0) -> None:
    """Until every outbox is published, every consumer caught up and everything in the log, twice in a
    row: between two services an event is in neither's count for a moment."""
    deadline = time.monotonic() + limit
    quiet = 0
    while quiet < 3:
        quiet = quiet + 1 if is_quiet(operator, auditor) else 0
        assert time.monotonic() < deadline, "events are still under way"
        time.sleep(0.15)


def is_quiet(operator: Session, auditor: Session) -> bool:
    for service in SERVICES:
        outbox = operator.get(f"/v1/{service}/outbox")
        if outbox["unsequenced"] or outbox["sequenced"] != outbox["published"]:
            return False
        if operator.get(f"/v1/{service}/consumer")["lag"]:
            return False
    return all(topic["lag"] == 0 for topic in auditor.get("/v1/audit/completeness")["topics"])
