"""CloudEvents 1.0 in Kafka's binary mode: attributes in ``ce_*`` headers, JSON in the value.

Kafka Protocol Binding for CloudEvents 1.0.2, §3.2. Attributes name no person: identifiers, times and
code-list values only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .contracts import Event

Headers = tuple[tuple[str, bytes], ...]


class Malformed(Exception):
    """A record is not a CloudEvent of ours; the message says which attribute, not its value."""


@dataclass(frozen=True)
class Record:
    """What goes to a broker."""

    topic: str
    key: bytes
    headers: Headers
    value: bytes


@dataclass(frozen=True)
class Received(Record):
    """What came from a broker, and where it stood."""

    partition: int
    offset: int


@dataclass(frozen=True)
class Envelope:
    """The CloudEvents attributes of an event."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    sequence: int
    actor: str
    traceparent: str | None = None

    def record(self, value: bytes) -> Record:
        """The Kafka record of this event; key and partition follow the stream."""
        key = self.subject.encode()
        traced = (("ce_traceparent", self.traceparent.encode()),) if self.traceparent else ()
        headers: Headers = (
            ("ce_specversion", b"1.0"),
            ("ce_id", str(self.id).encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_subject", key),
            ("ce_time", self.time.isoformat().encode()),
            ("ce_dataschema", schema_uri(self.type).encode()),
            ("ce_partitionkey", key),
            ("ce_sequence", b"%020d" % self.sequence),
            ("ce_actor", self.actor.encode()),
            *traced,
            ("content-type", b"application/json"),
        )
        return Record(topic_of(self.source.split("/")[2]), key, headers, value)

    @classmethod
    def of(cls, record: Record) -> "Envelope":
        """The attributes of a record; Malformed if one is missing or unreadable."""
        there = dict(record.headers)
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, header in _HEADERS:
                found[name] = there[header].decode()
            for name, read in _READ:
                found[name] = read(found[name])
            name = "traceparent"
            found[name] = there["ce_traceparent"].decode() if "ce_traceparent" in there else None
        except KeyError:
            raise Malformed(f"attribute {name} is missing") from None
        except ValueError:
            raise Malformed(f"attribute {name} cannot be read") from None
        if found.pop("specversion") != "1.0":
            raise Malformed("attribute specversion is not 1.0")
        return cls(**found)


_REQUIRED = ("specversion", "id", "source", "type", "subject", "time", "sequence", "actor")
_HEADERS = [(name, f"ce_{name}") for name in _REQUIRED]
_READ: Sequence[tuple[str, Callable[[str], Any]]] = (
    ("id", UUID),
    ("time", datetime.fromisoformat),
    ("sequence", int),
)


def topic_of(service: str) -> str:
    """The topic a service publishes to."""
    return f"homeward.{service}.v1"


def topics_of(contracts: Mapping[type[Event], object]) -> list[str]:
    """The topics on which these contracts arrive."""
    return sorted({topic_of(c.SERVICE) for c in contracts if c.SERVICE})


def schema_uri(event_type: str) -> str:
    """Where the JSON Schema of a type is, relative to the platform's base URL."""
    return f"/schemas/{event_type}.json"
