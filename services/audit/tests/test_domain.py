"""What a record becomes in the log, and which records stop it."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from harness.world import MemoryKeyring
from homeward.audit.domain import Contradiction, Entry, Stopped, entries_of, entry_of, leaf_of, unknown
from homeward.common.contracts import Event, FieldClass, PersonRegistered
from homeward.common.envelope import Envelope, Malformed, Received
from homeward.common.ids import new_id
from homeward.common.sealing import Draft, canonical, commitments_of, seal

from .following import report

RAW = b"".join(bytes([n] * 32) for n, _ in enumerate(FieldClass))
COMMITMENTS = b64encode(RAW).decode()
ENVELOPE = Envelope(
    id=UUID(int=7),
    source="/homeward/intake/0/1",
    type="homeward.report.received.v1",
    subject="4f8a",
    time=datetime(2025, 1, 7, tzinfo=UTC),
    sequence=12,
    actor="service:intake",
    traceparent=None,
)
VALUE = canonical({"v": 1, "open": {}, "sealed": {}, "commitments": COMMITMENTS})


def received(envelope: Envelope = ENVELOPE, value: bytes = VALUE, *, offset: int = 3) -> Received:
    record = envelope.record(value)
    return Received(record.topic, record.key, record.headers, record.value, 2, offset)


def saying(**change: object) -> bytes:
    return canonical({"v": 1, "open": {}, "sealed": {}, "commitments": COMMITMENTS} | change)


async def sealed(event: Event) -> bytes:
    """The value of an event in a world of its own."""
    draft = Draft(new_id(), event, "intake")
    return seal(draft, await MemoryKeyring().class_keys(draft.subjects, create=True))


def test_a_leaf_is_source_sequence_and_commitments_and_nothing_else() -> None:
    entry = entry_of(received())
    assert entry.leaf == leaf_of("/homeward/intake/0/1", 12, COMMITMENTS)
    assert entry.leaf.startswith(b'{"commitments":"AAAA')
    assert entry.leaf.endswith(b'","sequence":12,"source":"/homeward/intake/0/1","v":1}')
    assert json.loads(entry.leaf) == {
        "v": 1,
        "source": "/homeward/intake/0/1",
        "sequence": 12,
        "commitments": COMMITMENTS,
    }
    assert (entry.headers, entry.value) == (received().headers, VALUE)


async def test_leaves_of_two_worlds_differ_only_in_bytes_that_look_random() -> None:
    told_much = report(full_name="A" * 500, reporter_contact="+86 10 5555 0100", citizenship=["CHN"])
    worlds = [told_much, report(), report(), PersonRegistered(person_id=new_id(), report_id=new_id())]
    leaves = [json.loads(entry_of(received(value=await sealed(event))).leaf) for event in worlds]
    assert len({len(canonical(leaf)) for leaf in leaves}) == 1
    commitments = [leaf.pop("commitments") for leaf in leaves]
    assert leaves == [leaves[0]] * len(worlds)
    assert all(set(commitments_of(found)) == set(FieldClass) for found in commitments)
    raw = [commitment for found in commitments for commitment in commitments_of(found).values()]
    assert all(len(commitment) == 32 for commitment in raw)
    assert len(set(raw)) == len(worlds) * len(FieldClass)  # a class absent in both tells nothing either
    ones = sum(int.from_bytes(commitment).bit_count() for commitment in raw)
    assert abs(ones / (256 * len(raw)) - 0.5) < 0.03  # 7 standard deviations


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        saying().decode().encode("utf-16"),
        saying(v=2),
        saying(commitments=None),
        saying(commitments={}),
        saying(commitments=""),
        saying(commitments="last seen in Mae Sot, 3 January, at four o'clock"),
        saying(commitments=b64encode(RAW[:-1]).decode()),
        saying(commitments=b64encode(RAW + b"0").decode()),
        saying(commitments=COMMITMENTS[:-3] + "B=="),  # decodes like the canonical spelling
        saying(commitments=COMMITMENTS[:-1]),
        saying(commitments=f" {COMMITMENTS}"),
        saying(commitments="é" + COMMITMENTS[1:]),
        saying(commitments=[COMMITMENTS]),
        saying()[:-1] + b',"x":NaN}',
    ],
)
def test_values_that_commit_to_anything_but_all_classes_are_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        entry_of(received(value=value))


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"sequence": 2**63},
        {"time": datetime(2025, 1, 7)},  # noqa: DTZ001
        {"subject": ""},
        {"actor": "a\x00b"},
        {"type": "x" * 501},
        {"source": "/homeward/intake/0/01"},
        {"source": "/homeward/intake/0/1/x"},
    ],
)
def test_attributes_that_cannot_be_kept_or_counted_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        entry_of(received(replace(ENVELOPE, **change)))  # type: ignore[arg-type]


def test_a_service_cannot_take_another_ones_place() -> None:
    elsewhere = replace(received(), topic="homeward.exchange.v1")
    with pytest.raises(Malformed, match="not one of this topic"):
        entry_of(elsewhere)


def test_the_first_record_that_cannot_be_read_stops_and_is_named_without_content() -> None:
    records = [received(), received(value=b"Xing Wang", offset=4), received(offset=5)]
    entries, stopped = entries_of(records)
    assert [entry.value for entry in entries] == [VALUE]
    assert isinstance(stopped, Stopped)
    assert str(stopped) == "record in homeward.intake.v1/2 at offset 4: value is not JSON"
    assert entries_of([received()])[1] is None


def entry(number: int, event: int, value: bytes = VALUE) -> Entry:
    return entry_of(received(replace(ENVELOPE, id=UUID(int=event), sequence=number), value))


def test_copies_are_known_within_a_batch_and_from_the_log() -> None:
    batch = [entry(1, 1), entry(2, 2), entry(1, 1), entry(3, 3)]
    assert unknown(batch, []) == [batch[0], batch[1], batch[3]]
    assert unknown(batch, [entry(2, 2).identity]) == [batch[0], batch[3]]
    assert unknown(batch, [e.identity for e in batch]) == []


@pytest.mark.parametrize(
    "other",
    [entry(1, 2), entry(2, 1), entry(1, 1, saying(open={"status": {}}))],
    ids=["place", "id", "value"],
)
def test_a_second_history_is_a_contradiction(other: Entry) -> None:
    with pytest.raises(Contradiction):
        unknown([entry(1, 1), other], [])
    with pytest.raises(Contradiction):
        unknown([other], [entry(1, 1).identity])
