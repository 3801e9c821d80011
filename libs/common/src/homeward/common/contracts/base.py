"""The rules every event contract keeps; they are checked when the class is defined."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.fields import FieldInfo

from .classes import FieldClass

Subject = str
"""Whose data key seals a class: the id of a report, reporter or person, or ``service:<name>``."""

AgencyId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
"""A partner's id in the registry of exchange: lower-case letters, digits, hyphens."""

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 3166-1 alpha-3."""


class Event(BaseModel):
    """A fact in the past tense, owned by one service.

    Only envelope fields may be required: a consumer that is not entitled to a class, or that reads
    after an erasure, gets the event without that class's fields.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    TYPE: ClassVar[str]
    """CloudEvents ``type``: ``homeward.<noun>.<past-tense-verb>.v<n>``."""
    SERVICE: ClassVar[str | None]
    """The owning service; its topic carries the event. None: any service, on its own topic."""
    STREAM: ClassVar[str]
    """The envelope field by whose value events are ordered (the CloudEvents ``subject``)."""
    KEYED_BY: ClassVar[str | None] = None
    """The envelope field naming the subject whose key seals the event; None: the emitting service."""
    ALSO_KEYED_BY: ClassVar[dict[FieldClass, str]] = {}
    """Classes sealed under another subject's key than ``KEYED_BY``."""
    CLASSES: ClassVar[dict[str, FieldClass]]
    """Field name → class, derived from the annotations."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.CLASSES = {name: _class_of(cls, name, field) for name, field in cls.model_fields.items()}
        for name, field in cls.model_fields.items():
            if field.is_required() and cls.CLASSES[name] is not FieldClass.ENVELOPE:
                raise TypeError(f"{cls.__name__}.{name}: only envelope fields may be required")
        if "TYPE" in cls.__dict__:
            _check_names(cls)

    def stream(self) -> str:
        """The value that orders this event among its like."""
        return str(getattr(self, self.STREAM))

    @classmethod
    def key_subjects(
        cls, grouped: Mapping[FieldClass, Mapping[str, Any]], service: str
    ) -> dict[FieldClass, Subject]:
        """Whose key seals each class of an event (as :meth:`by_class` has it) that ``service`` emits; the
        envelope's always."""
        envelope = grouped.get(FieldClass.ENVELOPE, {})
        fields = {c: cls.ALSO_KEYED_BY.get(c, cls.KEYED_BY) for c in (FieldClass.ENVELOPE, *grouped)}
        return {c: envelope.get(field or "", f"service:{service}") for c, field in fields.items()}

    def by_class(self) -> dict[FieldClass, dict[str, Any]]:
        """JSON-ready values of the fields that are set, grouped by class."""
        grouped: dict[FieldClass, dict[str, Any]] = {}
        for name, value in self.model_dump(mode="json", exclude_none=True).items():
            grouped.setdefault(self.CLASSES[name], {})[name] = value
        return grouped


def _class_of(contract: type[Event], name: str, field: FieldInfo) -> FieldClass:
    classes = [m for m in field.metadata if isinstance(m, FieldClass)]
    if len(classes) != 1:
        raise TypeError(f"{contract.__name__}.{name}: needs exactly one field class, has {len(classes)}")
    return classes[0]


def _check_names(contract: type[Event]) -> None:
    if not re.fullmatch(r"homeward(\.[a-z]+(-[a-z]+)*){2}\.v[1-9][0-9]*", contract.TYPE):
        raise TypeError(f"{contract.__name__}: TYPE must be homeward.<noun>.<past-tense-verb>.v<n>")
    named = {"STREAM": contract.STREAM, "KEYED_BY": contract.KEYED_BY}
    named |= {f"ALSO_KEYED_BY {c}": name for c, name in contract.ALSO_KEYED_BY.items()}
    for rule, name in named.items():
        if name is not None and contract.CLASSES.get(name) is not FieldClass.ENVELOPE:
            raise TypeError(f"{contract.__name__}: {rule} must name an envelope field")


def contracts_below(base: type[Event] = Event) -> Iterator[type[Event]]:
    """Every contract defined so far."""
    for contract in base.__subclasses__():
        if hasattr(contract, "TYPE"):
            yield contract
        yield from contracts_below(contract)


EnvelopeId = Annotated[UUID, FieldClass.ENVELOPE]
EnvelopeAgency = Annotated[AgencyId, FieldClass.ENVELOPE]
