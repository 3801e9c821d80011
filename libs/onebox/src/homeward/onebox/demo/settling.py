"""Waiting until nothing is under way any more, by what the services say of themselves."""

import time
from typing import Any

from homeward.client.session import Session

SERVICES = ("intake", "verification", "referral", "exchange", "keyring")


def settle(operator: Session, auditor: Session, limit: float = 180.0) -> None:
    """Until every outbox is published, every consumer caught up and everything in the log.

    One look is not enough: an event on its way between two services is in neither's count for a
    moment. So nothing may have been committed anywhere between two quiet looks in a row: whatever was
    handled meanwhile and told others of it shows in its service's outbox.

    Raises:
        TimeoutError: events are still under way after ``limit`` seconds.
    """
    deadline = time.monotonic() + limit
    before = None
    while (now := _committed_when_quiet(operator, auditor)) is None or now != before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"events are still under way after {limit:.0f} s")
        before = now
        time.sleep(0.1)


def _committed_when_quiet(operator: Session, auditor: Session) -> list[tuple[int, int]] | None:
    """Of each service the epoch and the number of events it ever committed; None while any is under way."""
    committed = []
    for service in SERVICES:
        outbox = operator.get(f"/v1/{service}/outbox")
        if outbox["unsequenced"] or outbox["sequenced"] != outbox["published"]:
            return None
        if operator.get(f"/v1/{service}/consumer")["lag"]:
            return None
        committed.append((outbox["epoch"], outbox["committed"]))
    topics: list[dict[str, Any]] = auditor.get("/v1/audit/completeness")["topics"]
    return committed if all(topic["lag"] == 0 for topic in topics) else None
