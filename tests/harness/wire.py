"""What is on the topics: everything that services ever said to one another."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from homeward.common.broker.kafka import KafkaBroker
from homeward.common.envelope import Envelope, topic_of

SERVICES = ("intake", "verification", "referral", "exchange", "keyring")
PAGE = 2_000


def check_order(bootstrap: str) -> None:
    """Every source's numbers are without a gap; on the wire a record may come again, but never late: each
    stream's numbers rise where they come first, and a number always means the same event."""
    events: dict[tuple[str, int], str] = {}
    for envelope in asyncio.run(_envelopes(bootstrap)):
        number = (envelope.source, envelope.sequence)
        assert events.setdefault(number, str(envelope.id)) == str(envelope.id), f"{number} means two events"
    numbers = defaultdict(list)
    for source, sequence in events:
        numbers[source].append(sequence)
    for source, given in numbers.items():
        assert sorted(given) == list(range(1, len(given) + 1)), f"{source} has a gap"
    assert len(set(events.values())) == len(events), "an event has two numbers"


async def _envelopes(bootstrap: str) -> list[Envelope]:
    """Of every record, in the order of its partition; fails if a stream's order is broken."""
    broker = KafkaBroker(bootstrap, partitions=1, replication=1)
    try:
        found = []
        for at, end in (await broker.end_positions([topic_of(name) for name in SERVICES])).items():
            newest: dict[tuple[str, str], int] = defaultdict(int)
            seen: set[tuple[str, int]] = set()
            offset = 0
            while offset < end:
                records = await broker.read(at, offset, PAGE)
                for envelope in map(Envelope.of, records):
                    stream = (envelope.source, envelope.subject)
                    if (envelope.source, envelope.sequence) not in seen:
                        assert envelope.sequence > newest[stream], f"{at}: the order of a stream is broken"
                        newest[stream] = envelope.sequence
                        seen.add((envelope.source, envelope.sequence))
                    found.append(envelope)
                offset = records[-1].offset + 1
        return found
    finally:
        await broker.close()
