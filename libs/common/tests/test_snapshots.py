"""Contracts change by optional fields alone, and the committed snapshots show every change."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from homeward.common.contracts import CONTRACTS, Event, ReleaseDecided, ReportReceived
from homeward.common.contracts.snapshots import breaking_changes, main, problems, schema_of, write

from .sealing_values import ANY_EVENT

COMMITTED = Path(__file__).parents[3] / "docs" / "schemas"
NAME = ReportReceived.TYPE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def edit(folder: Path, change: Any, name: str = NAME) -> None:
    """Make the snapshot of ``name`` as if the contract had been another one before."""
    path = folder / f"{name}.json"
    schema = json.loads(path.read_text())
    change(schema)
    path.write_text(json.dumps(schema))


def test_the_committed_snapshots_are_those_of_the_contracts() -> None:
    assert list(problems(COMMITTED)) == []
    assert main(["check", str(COMMITTED)]) == 0


def test_every_schema_is_a_json_schema() -> None:
    for contract in CONTRACTS.values():
        schema = schema_of(contract)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"{contract.TYPE}.json"
        assert all("x-field-class" in field for field in schema["properties"].values())


@given(ANY_EVENT)
def test_every_event_is_valid_by_its_schema(event: Event) -> None:
    said = event.model_dump(mode="json", exclude_none=True)
    jsonschema.validate(said, schema_of(type(event)), jsonschema.Draft202012Validator)


def field(**schema: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, **schema}


BREAKING = {
    "a field is gone": (
        lambda old: old["properties"].update(nickname=field()),
        "field nickname is gone",
    ),
    "a type changed": (
        lambda old: old["properties"]["age"].update(anyOf=[{"type": "string"}, {"type": "null"}]),
        "field age changed its type or class",
    ),
    "a class changed": (
        lambda old: old["properties"]["age"].update({"x-field-class": "health"}),
        "field age changed its type or class",
    ),
    "a field is newly required": (
        lambda old: old["required"].remove("channel"),
        "what is required changed",
    ),
    "a required field is new": (
        lambda old: (old["required"].remove("channel"), old["properties"].pop("channel")),
        "what is required changed",
    ),
    "the order is by another field": (
        lambda old: old.update({"x-stream": "reporter_id"}),
        "x-stream changed",
    ),
    "another service owns it": (lambda old: old.update({"x-service": "audit"}), "x-service changed"),
    "a definition changed": (
        lambda old: old["$defs"]["Purpose"]["enum"].append("profit"),
        "definition Purpose changed",
    ),
}


@pytest.mark.parametrize("case", BREAKING)
def test_a_breaking_change_is_named_and_cannot_be_written_over(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    change, sentence = BREAKING[case]
    edit(folder, change)
    assert list(problems(folder)) == [f"{NAME}: {sentence}; make a new version of the type"]
    before = (folder / f"{NAME}.json").read_text()
    assert main(["write", str(folder)]) == 1
    assert sentence in capsys.readouterr().err
    assert (folder / f"{NAME}.json").read_text() == before


def test_a_field_may_be_called_by_a_word_that_explains() -> None:
    """``title`` and ``description`` say nothing about a field, but may be one."""
    old = schema_of(ReleaseDecided)
    old["$defs"]["Decision"]["properties"]["description"] = {"type": "string"}
    new = deepcopy(old)
    new["$defs"]["Decision"]["properties"]["description"] = {"type": "integer"}
    assert list(breaking_changes(old, new)) == ["definition Decision changed"]


def test_an_added_optional_field_only_asks_for_a_new_snapshot(folder: Path) -> None:
    edit(folder, lambda old: old["properties"].pop("appeal"))
    assert list(problems(folder)) == [f"{NAME}: the snapshot is not up to date"]
    assert main(["write", str(folder)]) == 0
    assert list(problems(folder)) == []


def test_another_wording_only_asks_for_a_new_snapshot(folder: Path) -> None:
    edit(folder, lambda old: old.update(description="Otherwise worded."))
    assert list(problems(folder)) == [f"{NAME}: the snapshot is not up to date"]
    assert main(["write", str(folder)]) == 0


def test_a_new_type_and_a_lost_one_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / f"{NAME}.json").rename(folder / "homeward.report.dropped.v1.json")
    assert main(["check", str(folder)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "homeward.report.dropped.v1: has a snapshot but no contract",
        f"{NAME}: has no snapshot yet",
    ]


@pytest.mark.parametrize("arguments", [[], ["check"], ["erase", "."], ["check", ".", "."]])
def test_bad_usage_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: ")
