"""Every contract keeps the rules, or cannot even be defined."""

from types import new_class
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

import pytest
from hypothesis import given

from homeward.common import contracts
from homeward.common.contracts import CONTRACTS, OPEN_CLASSES, Event, FieldClass, contract_of
from homeward.common.contracts.base import contracts_below
from homeward.common.ids import new_id

from .noting import report
from .sealing_values import ANY_EVENT

ENVELOPE, NARRATIVE = FieldClass.ENVELOPE, FieldClass.NARRATIVE


def define(fields: dict[str, Any], **rules: Any) -> type[Event]:
    """A contract with ``fields`` beside its stream, and other ``rules``."""
    given = {"TYPE": "homeward.thing.done.v1", "SERVICE": "tiny", "STREAM": "thing_id", **rules}
    annotations = {"thing_id": Annotated[UUID, ENVELOPE], **{n: f[0] for n, f in fields.items()}}
    defaults = {name: field[1] for name, field in fields.items() if len(field) > 1}
    body = {"__annotations__": annotations, "__module__": __name__, **defaults, **given}
    return cast(type[Event], new_class("ThingDone", (Event,), exec_body=lambda names: names.update(body)))


def test_a_contract_that_keeps_the_rules_can_be_defined() -> None:
    contract = define({"said": (Annotated[str | None, NARRATIVE], None)})
    assert contract.CLASSES == {"thing_id": ENVELOPE, "said": NARRATIVE}


@pytest.mark.parametrize(
    ("fields", "rules", "why"),
    [
        ({"said": (str | None, None)}, {}, "said: needs exactly one field class, has 0"),
        ({"said": (str,)}, {}, "said: needs exactly one field class, has 0"),
        ({"said": (Annotated[str | None, NARRATIVE, ENVELOPE], None)}, {}, "exactly one field class, has 2"),
        ({"said": (Annotated[str, NARRATIVE],)}, {}, "said: only envelope fields may be required"),
        ({}, {"STREAM": "other_id"}, "STREAM must name an envelope field"),
        ({"said": (Annotated[str | None, NARRATIVE], None)}, {"STREAM": "said"}, "STREAM must name"),
        ({}, {"KEYED_BY": "person_id"}, "KEYED_BY must name an envelope field"),
        ({}, {"ALSO_KEYED_BY": {NARRATIVE: "person_id"}}, "ALSO_KEYED_BY narrative must name"),
        ({}, {"TYPE": "thing.done"}, "TYPE must be homeward.<noun>"),
        ({}, {"TYPE": "homeward.thing.done.v0"}, "TYPE must be homeward.<noun>"),
    ],
)
def test_a_contract_that_breaks_a_rule_cannot_be_defined(
    fields: dict[str, Any], rules: dict[str, Any], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        define(fields, **rules)


def test_the_registry_knows_every_contract() -> None:
    ours = {c for c in contracts_below() if c.__module__.startswith(contracts.__name__)}
    assert set(CONTRACTS.values()) == ours
    assert {c.__name__ for c in ours} <= set(contracts.__all__)
    assert all(
        contract_of(name) is contract and name == contract.TYPE for name, contract in CONTRACTS.items()
    )
    with pytest.raises(KeyError):
        contract_of("homeward.nothing.happened.v1")


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_field_of_every_contract_has_a_class_and_a_docstring(name: str) -> None:
    contract = CONTRACTS[name]
    assert contract.CLASSES.keys() == contract.model_fields.keys()
    assert contract.__doc__
    assert contract.model_config["frozen"]
    assert contract.model_config["hide_input_in_errors"]


@given(ANY_EVENT)
def test_fields_are_grouped_by_class_and_none_left_out(event: Event) -> None:
    grouped = event.by_class()
    said = event.model_dump(mode="json", exclude_none=True)
    assert {n: v for fields in grouped.values() for n, v in fields.items()} == said
    assert all(type(event).CLASSES[n] is c for c, fields in grouped.items() for n in fields)


@given(ANY_EVENT)
def test_without_the_classes_one_may_not_see_an_event_is_still_an_event(event: Event) -> None:
    for kept in (frozenset({ENVELOPE}), OPEN_CLASSES):
        fields = {n: v for c, of_class in event.by_class().items() if c in kept for n, v in of_class.items()}
        assert type(event).model_validate(fields).stream() == event.stream()


def test_a_field_of_a_later_version_is_passed_over() -> None:
    event = report()
    later = {**event.model_dump(mode="json"), "of_a_later_version": 1}
    assert type(event).model_validate(later) == event


def test_who_seals_a_class_follows_from_the_contract() -> None:
    event = report(reporter_contact="+86 10")
    assert event.key_subjects(event.by_class(), "intake") == {
        **dict.fromkeys(event.by_class(), str(event.report_id)),
        FieldClass.REPORTER_CONTACT: str(event.reporter_id),
    }
    by_service = define({})(thing_id=new_id())
    assert by_service.key_subjects({}, "tiny") == {ENVELOPE: "service:tiny"}


def test_an_error_about_an_event_does_not_quote_it() -> None:
    with pytest.raises(ValueError, match="1 validation error") as refused:
        report(age="Zoë Lin's")
    assert "Zoë" not in str(refused.value)


def test_a_contract_may_share_fields_with_others() -> None:
    class _ThingEvent(Event):
        SERVICE: ClassVar[str | None] = "tiny"
        STREAM = "thing_id"
        thing_id: Annotated[UUID, ENVELOPE]

    class ThingDone(_ThingEvent):
        TYPE = "homeward.thing.done.v1"

    assert ThingDone.CLASSES == {"thing_id": ENVELOPE}
