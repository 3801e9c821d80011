"""After whatever happened: every accepted report has exactly one effect everywhere, and one entry in
the log."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import asyncpg

from harness.platform import Platform
from harness.wire import check_order
from homeward.client.lists import Imported
from homeward.client.session import Session
from homeward.onebox.demo.partners import CONSENTS, PARTNERS, PartnerFeed
from homeward.onebox.demo.settling import SERVICES, settle

RECEIVED = "homeward.report.received.v1"
OPENED = "homeward.case.opened.v1"


FEEDS = "SELECT count(*), sum(cardinality(classes)), max(at) FROM feed"


class Accounting:
    """Opened before the faults with a partner of its own, who is trusted with everything."""

    def __init__(self, platform: Platform, staff: dict[str, Session], name: str) -> None:
        self._platform = platform
        self._operator, self._auditor = staff["operator"], staff["auditor"]
        ngo = next(profile for profile in PARTNERS if profile["kind"] == "NGO")
        self._partner = PartnerFeed.register({**ngo, "agency": name}, self._operator, platform.folder)
        self._before = self._operator.get("/v1/counts")
        self.consents: list[dict[str, Any]] = [{**CONSENTS[-1], "recipient": name}]
        """For nobody else: what one test hands in is not to reach another test's partners."""

    def heard_of(self, kind: str) -> int:
        """How many events of a kind the partner has been given by now."""
        self._partner.pull()
        return sum(event["type"] == kind for event in self._partner.events)

    def check(self, imported: Imported, rows: int, *, limit: float = 180) -> None:
        """All of it, once nothing is under way any more, which may take ``limit`` seconds."""
        settle(self._operator, self._auditor, limit)
        assert rows == imported.rows == imported.accepted + imported.rejected, "every row is accounted for"
        after = self._operator.get("/v1/counts")
        grown = {name: after[name] - self._before[name] for name in ("reports", "persons")}
        assert grown["reports"] == imported.accepted, "every accepted report has one person"
        self._check_feed(imported.accepted, grown["persons"])
        self._check_log()
        check_order(self._platform.kafka.bootstrap)
        asyncio.run(self._check_decided_afresh())
        self._partner.session.close()

    def _check_feed(self, reports: int, persons: int) -> None:
        self._partner.pull()
        events = self._partner.events
        received = Counter(
            e["data"]["classes"]["envelope"]["report_id"] for e in events if e["type"] == RECEIVED
        )
        assert len(received) == reports, "every accepted report reached the partner"
        assert set(received.values()) == {1}, "and only once"
        known = {e["subject"] for e in events if e["type"] == RECEIVED}
        assert persons <= len(known), "every new person is known to the partner"
        cases = Counter(e["subject"] for e in events if e["type"] == OPENED)
        assert set(cases) == known, "every person has a case"
        assert set(cases.values()) == {1}, "and only one"
        assert [int(e["sequence"]) for e in events] == list(range(1, len(events) + 1)), "the feed is dense"

    def _check_log(self) -> None:
        settle(self._operator, self._auditor)  # the reads above are events too
        history = self._auditor.get("/v1/audit/completeness")
        assert history["complete"], "no source has a gap"
        logged = {source["source"]: source for source in history["sources"]}
        for service in SERVICES:
            outbox = self._operator.get(f"/v1/{service}/outbox")
            source = logged[f"/homeward/{service}/0/{outbox['epoch']}"]
            assert source["count"] == outbox["sequenced"] == outbox["committed"], "one entry for each event"
            assert self._operator.get(f"/v1/{service}/dead-letters")["dead_letters"] == []

    async def _check_decided_afresh(self) -> None:
        """Deciding every event of every person once more, for every partner, changes no feed."""
        url = self._platform.postgres.url("platform_exchange").replace("+asyncpg", "")
        db = await asyncpg.connect(url)
        try:
            before = await db.fetchrow(FEEDS)
            await db.execute("INSERT INTO sweeps (reason) VALUES ('everything afresh')")
            deadline = time.monotonic() + 60
            while await db.fetchval("SELECT count(*) FROM sweeps WHERE NOT done"):
                assert time.monotonic() < deadline, "the sweep does not end"
                await asyncio.sleep(0.1)
            assert await db.fetchrow(FEEDS) == before, "feeds are as if decided afresh"
        finally:
            await db.close()
