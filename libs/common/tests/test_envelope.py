"""Events on the wire are CloudEvents that anybody's SDK reads, and records that are none are refused."""

import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from hypothesis import given
from hypothesis import strategies as st

from harness.kafka import Kafka
from homeward.common.broker import Broker, open_broker
from homeward.common.contracts import CONTRACTS, ReportReceived
from homeward.common.envelope import Envelope, Malformed, Record, topic_of, topics_of
from homeward.common.ids import new_id

from .carrying import fresh, read_as

ENVELOPE = Envelope(
    id=new_id(),
    source="/homeward/intake/0/1",
    type=ReportReceived.TYPE,
    subject="0197c3a0-0000-7000-8000-000000000001",
    time=datetime(2025, 1, 7, 9, 30, 0, 125_000, tzinfo=UTC),
    sequence=42,
    actor="client:caseworker-1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


@pytest.fixture
async def broker(kafka: Kafka) -> AsyncIterator[Broker]:
    broker = open_broker(f"kafka://{kafka.bootstrap}", partitions=1)
    yield broker
    await broker.close()


async def test_the_cloudevents_package_reads_what_kafka_carried(broker: Broker) -> None:
    topic = fresh()
    await broker.ensure_topics([topic])
    await broker.publish([replace(ENVELOPE.record(b'{"v":1}'), topic=topic)])
    [record] = await read_as(broker, fresh("group"), topic, 1)
    event = from_binary_event(KafkaMessage(dict(record.headers), record.key, record.value))
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": str(ENVELOPE.id),
        "source": ENVELOPE.source,
        "type": ENVELOPE.type,
        "subject": ENVELOPE.subject,
        "time": ENVELOPE.time,
        "datacontenttype": "application/json",
        "dataschema": "/schemas/homeward.report.received.v1.json",
        "partitionkey": ENVELOPE.subject,
        "sequence": "00000000000000000042",
        "actor": ENVELOPE.actor,
        "traceparent": ENVELOPE.traceparent,
    }
    assert event.get_data() == {"v": 1}
    assert Envelope.of(record) == ENVELOPE


def test_an_event_outside_a_trace_has_no_traceparent() -> None:
    alone = replace(ENVELOPE, traceparent=None)
    record = alone.record(b"{}")
    assert "ce_traceparent" not in dict(record.headers)
    assert Envelope.of(record) == alone


@given(st.integers(0, 10**20 - 1), st.integers(0, 10**20 - 1))
def test_sequences_compare_as_text(one: int, other: int) -> None:
    def text(sequence: int) -> bytes:
        return dict(replace(ENVELOPE, sequence=sequence).record(b"{}").headers)["ce_sequence"]

    assert len(text(one)) == 20
    assert (text(one) < text(other)) == (one < other)


def test_the_key_is_the_stream_and_the_topic_the_services() -> None:
    record = ENVELOPE.record(b"{}")
    assert (record.topic, record.key) == ("homeward.intake.v1", ENVELOPE.subject.encode())
    assert topics_of(dict.fromkeys(CONTRACTS.values())) == [
        topic_of(service)
        for service in ("audit", "exchange", "intake", "keyring", "referral", "verification")
    ]


SECRET = "Zoë Lin"
REQUIRED = ["specversion", "id", "source", "type", "subject", "time", "sequence", "actor"]


def with_header(name: str, value: bytes | None) -> Record:
    record = ENVELOPE.record(b"{}")
    kept = tuple(header for header in record.headers if header[0] != f"ce_{name}")
    return replace(record, headers=kept if value is None else (*kept, (f"ce_{name}", value)))


@pytest.mark.parametrize("name", REQUIRED)
def test_a_record_without_an_attribute_is_malformed(name: str) -> None:
    with pytest.raises(Malformed, match=f"^attribute {name} is missing$"):
        Envelope.of(with_header(name, None))


@pytest.mark.parametrize("name", ["specversion", "id", "time", "sequence"])
def test_a_record_with_an_unreadable_attribute_is_malformed_and_its_value_not_told(name: str) -> None:
    with pytest.raises(Malformed, match=f"^attribute {name} ") as refused:
        Envelope.of(with_header(name, SECRET.encode()))
    assert "Zo" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("name", [*REQUIRED, "traceparent"])
def test_a_record_whose_attribute_is_not_text_is_malformed(name: str) -> None:
    with pytest.raises(Malformed, match=f"^attribute {name} cannot be read$"):
        Envelope.of(with_header(name, b"\xff\xfe"))


@given(st.lists(st.tuples(st.text(), st.binary())))
def test_whatever_comes_is_an_envelope_or_malformed(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Malformed):
        Envelope.of(Record("topic", b"", tuple(headers), b""))
