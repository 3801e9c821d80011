"""What policies are asked, and what they answer. Values only: they compare, hash, and go into JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from homeward.common.contracts import FieldClass


class Principal(NamedTuple):
    """Who would receive: the Cedar entity ``Agency``."""

    kind: str
    country: str
    data_home: str
    clearance: tuple[str, ...]
    accredited: bool
    suspended: bool
    sandbox: bool = False
    leaving: bool = False

    def attributes(self) -> dict[str, Any]:
        """As the schema names them."""
        return {
            "kind": self.kind,
            "country": self.country,
            "dataHome": self.data_home,
            "clearance": list(self.clearance),
            "accredited": self.accredited,
            "suspended": self.suspended,
            "sandbox": self.sandbox,
            "leaving": self.leaving,
        }


class Resource(NamedTuple):
    """What it is about, as one recipient meets it: the Cedar entity ``CaseFile``."""

    citizenships: tuple[str, ...]
    countries: tuple[str, ...]
    child: bool
    data_home: str
    held: bool
    objected: bool
    erased: bool
    synthetic: bool = False

    def attributes(self) -> dict[str, Any]:
        """As the schema names them."""
        return {
            "citizenships": list(self.citizenships),
            "countries": list(self.countries),
            "child": self.child,
            "dataHome": self.data_home,
            "held": self.held,
            "objected": self.objected,
            "erased": self.erased,
            "synthetic": self.synthetic,
        }


class Asking(NamedTuple):
    """One class for one purpose: Cedar's action and context."""

    field_class: FieldClass
    purpose: str
    consent: str
    referred: bool
    addressee: str

    def context(self) -> dict[str, Any]:
        """As the schema names it."""
        return {
            "class": str(self.field_class),
            "purpose": self.purpose,
            "consent": self.consent,
            "referred": self.referred,
            "addressee": self.addressee,
        }


class Question(NamedTuple):
    """Exactly what the policies are asked about one event and one partner: every class of the event for
    every purpose of the partner."""

    principal: Principal
    resource: Resource
    askings: tuple[Asking, ...]

    @property
    def classes(self) -> frozenset[FieldClass]:
        """The classes asked for."""
        return frozenset(asking.field_class for asking in self.askings)

    def snapshot(self) -> dict[str, Any]:
        """JSON for the record: from it the decision can be taken again."""
        contexts: dict[str, list[dict[str, Any]]] = {}
        for asking in self.askings:
            contexts.setdefault(str(asking.field_class), []).append(asking.context())
        return {
            "principal": self.principal.attributes(),
            "resource": self.resource.attributes(),
            "contexts": contexts,
        }


@dataclass(frozen=True)
class Verdict:
    """Which classes are released and which withheld, and the policies (``@id``) that say so."""

    classes: frozenset[FieldClass]
    withheld: frozenset[FieldClass]
    decided_by: Mapping[FieldClass, tuple[str, ...]] = field(hash=False)
    """By class: the permits that release it, or the forbids that withhold it; none where nothing
    permits it, which is the rule."""

    @cached_property
    def policies(self) -> tuple[str, ...]:
        """All policies that had a say."""
        return tuple(sorted({name for names in self.decided_by.values() for name in names}))
