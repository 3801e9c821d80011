"""Events of every contract, with values nobody thought of, and keys for them."""

import os
import types
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

from homeward.common.contracts import CONTRACTS, Event, FieldClass
from homeward.common.keys import ClassKeys


def fresh_keys() -> ClassKeys:
    """Random keys of every class, as of one subject."""
    return {field_class: os.urandom(32) for field_class in FieldClass}


def events_of(contract: type[Event]) -> st.SearchStrategy[Event]:
    """Events of ``contract``, each with some of its optional fields."""
    return _models(contract)


INTEGERS = st.integers(-(2**63), 2**63 - 1)
"""What a column takes."""
ANY_EVENT = st.sampled_from(sorted(CONTRACTS)).flatmap(lambda name: events_of(CONTRACTS[name]))


def _models(model: type[Any]) -> st.SearchStrategy[Any]:
    fields = model.model_fields
    return st.builds(model, **{n: _values(f.annotation, f.metadata) for n, f in fields.items()})


def _values(annotation: Any, rules: Iterable[Any] = ()) -> st.SearchStrategy[Any]:
    for rule in rules:
        if pattern := getattr(rule, "pattern", None):
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: not text.endswith("\n"))
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(inner[0], inner[1:])
    if origin in {Union, types.UnionType}:
        return st.one_of([_values(one) for one in inner])
    if origin is tuple:
        return st.lists(_values(inner[0]), max_size=3).map(tuple)
    if origin is frozenset:
        return st.frozensets(_values(inner[0]), min_size=1, max_size=3)
    if annotation is int:
        return INTEGERS
    if annotation is datetime:
        return st.datetimes(timezones=st.just(UTC))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _models(annotation)
    return st.from_type(annotation)
