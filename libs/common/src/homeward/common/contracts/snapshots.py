"""Committed JSON Schemas of all contracts, and what may change: optional fields may be added.

``python -m homeward.common.contracts.snapshots check DIR`` fails on anything else; ``write DIR``
writes the snapshots after an allowed change.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .base import Event
from .registry import CONTRACTS


def schema_of(contract: type[Event]) -> dict[str, Any]:
    """JSON Schema 2020-12 of a contract's fields, each with its ``x-field-class``."""
    schema = contract.model_json_schema(mode="serialization")
    for name, field_class in contract.CLASSES.items():
        schema["properties"][name]["x-field-class"] = field_class.value
    schema["x-stream"] = contract.STREAM
    schema["x-service"] = contract.SERVICE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{contract.TYPE}.json",
        **schema,
    }


def breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Why readers of ``old`` could stumble over ``new``, a sentence each."""
    before, after = old["properties"], new["properties"]
    for name in sorted(before.keys() - after.keys()):
        yield f"field {name} is gone"
    for name in sorted(before.keys() & after.keys()):
        if _meaning(before[name]) != _meaning(after[name]):
            yield f"field {name} changed its type or class"
    if set(old.get("required", [])) != set(new.get("required", [])):
        yield "what is required changed"
    for key in ("x-stream", "x-service"):
        if old.get(key) != new.get(key):
            yield f"{key} changed"
    for name in sorted(old.get("$defs", {}).keys()):
        if _meaning(old["$defs"][name]) != _meaning(new.get("$defs", {}).get(name)):
            yield f"definition {name} changed"


def problems(folder: Path) -> Iterator[str]:
    """What is wrong between the code and the snapshots in ``folder``."""
    files = {path.stem: path for path in folder.glob("*.json")}
    for gone in sorted(files.keys() - CONTRACTS.keys()):
        yield f"{gone}: has a snapshot but no contract"
    for name, contract in CONTRACTS.items():
        if name not in files:
            yield f"{name}: has no snapshot yet"
            continue
        old = json.loads(files[name].read_text())
        broken = list(breaking_changes(old, schema_of(contract)))
        yield from (f"{name}: {change}; make a new version of the type" for change in broken)
        if not broken and old != json.loads(json.dumps(schema_of(contract))):
            yield f"{name}: the snapshot is not up to date"


def write(folder: Path) -> None:
    """Write all snapshots; refuses (ValueError) where that would hide a breaking change."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, contract in CONTRACTS.items():
        path, new = folder / f"{name}.json", schema_of(contract)
        if path.exists() and (broken := list(breaking_changes(json.loads(path.read_text()), new))):
            raise ValueError(f"{name}: {broken[0]}; make a new version of the type")
        path.write_text(json.dumps(new, indent=2, ensure_ascii=False) + "\n")


def _meaning(schema: Any) -> Any:
    """A schema without the words that explain it; a field may be called by such a word."""
    if isinstance(schema, dict):
        return {
            key: {name: _meaning(field) for name, field in value.items()}
            if key == "properties"
            else _meaning(value)
            for key, value in schema.items()
            if key not in {"description", "title"}
        }
    return [_meaning(item) for item in schema] if isinstance(schema, list) else schema


def main(arguments: list[str]) -> int:
    """0 when all is well, 1 with a line for each problem, 2 for bad usage."""
    if len(arguments) != 2 or arguments[0] not in {"check", "write"}:
        sys.stderr.write("usage: python -m homeward.common.contracts.snapshots check|write DIR\n")
        return 2
    action, folder = arguments[0], Path(arguments[1])
    if action == "write":
        try:
            write(folder)
        except ValueError as refused:
            sys.stderr.write(f"{refused}\n")
            return 1
    found = list(problems(folder))
    for line in found:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
