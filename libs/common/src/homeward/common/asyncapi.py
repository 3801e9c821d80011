"""The AsyncAPI 3 document of the topics: who says what, in which form."""

from collections.abc import Mapping
from typing import Any

from .contracts import CONTRACTS, OPEN_CLASSES, SEALED_CLASSES, Event
from .envelope import topic_of
from .sealing import COMMITMENTS_BYTES, VERSION

Json = dict[str, Any]
_ATTRIBUTES: Mapping[str, str] = {
    "ce_specversion": "1.0",
    "ce_id": "The event's id, a UUID.",
    "ce_source": "`/homeward/<service>/<shard>/<epoch>`; with `ce_sequence` it names the event too.",
    "ce_type": "The event's type.",
    "ce_subject": "The stream: the id of what the event is about, in whose order events come.",
    "ce_time": "When it was said (RFC 3339).",
    "ce_dataschema": "Where the JSON Schema of its fields is.",
    "ce_partitionkey": "As `ce_subject`; also the record's key.",
    "ce_sequence": "Dense per source, twenty digits.",
    "ce_actor": "Who did it: `client:<id>` or `service:<name>`.",
    "content-type": "application/json",
}


def document() -> Json:
    """AsyncAPI 3.0.0, of all topics and contracts."""
    services = sorted({contract.SERVICE for contract in CONTRACTS.values() if contract.SERVICE})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Homeward's topics",
            "version": "1",
            "description": "CloudEvents 1.0 in Kafka's binary mode. For services and operators: a partner "
            "reads its own feed over HTTP, see the OpenAPI document.",
        },
        "defaultContentType": "application/json",
        "channels": {service: _channel(service) for service in services},
        "operations": {
            f"{service}Says": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{service}"},
                "summary": f"What {service} has committed, in the order of its numbers.",
            }
            for service in services
        },
        "components": {
            "messages": {name: _message(contract) for name, contract in CONTRACTS.items()},
            "schemas": {"attributes": _attributes(), "value": _value()},
        },
    }


def _channel(service: str) -> Json:
    said = [name for name, contract in CONTRACTS.items() if contract.SERVICE in {service, None}]
    return {
        "address": topic_of(service),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in said},
    }


def _message(contract: type[Event]) -> Json:
    return {
        "name": contract.TYPE,
        "summary": (contract.__doc__ or "").strip().partition("\n")[0],
        "headers": {"$ref": "#/components/schemas/attributes"},
        "payload": {"$ref": "#/components/schemas/value"},
        "x-fields": {"$ref": f"../schemas/{contract.TYPE}.json"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }


def _attributes() -> Json:
    fields = {name: {"type": "string", "description": text} for name, text in _ATTRIBUTES.items()}
    traced = {"ce_traceparent": {"type": "string", "description": "W3C Trace Context."}}
    return {"type": "object", "required": list(fields), "properties": fields | traced}


def _value() -> Json:
    """As :mod:`.sealing` makes it."""
    ciphertext = {
        "type": "object",
        "required": ["kid", "ct"],
        "properties": {
            "kid": {"type": "string", "description": "Whose key: the subject's id."},
            "ct": {"type": "string", "contentEncoding": "base64", "description": "AES-256-GCM."},
        },
    }
    committed = f"{COMMITMENTS_BYTES} bytes: 32 for each class, in the order of the classes' names."
    return {
        "type": "object",
        "required": ["v", "open", "sealed", "commitments"],
        "properties": {
            "v": {"const": VERSION},
            "open": {
                "type": "object",
                "properties": {name: {"type": "object"} for name in sorted(OPEN_CLASSES)},
            },
            "sealed": {"type": "object", "properties": dict.fromkeys(sorted(SEALED_CLASSES), ciphertext)},
            "commitments": {"type": "string", "contentEncoding": "base64", "description": committed},
        },
    }
