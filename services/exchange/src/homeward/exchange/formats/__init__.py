"""What a partner may see, in the formats that others read: made of nothing but what its feed gives it.

A format takes people as the partner's events tell of them, and names the classes that it has fields for;
no others are opened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from homeward.common.contracts import FieldClass

from . import htcds, pfif
from .people import Told, people


@dataclass(frozen=True)
class Occasion:
    """When an export is made, where the platform is, and what must be said beside it."""

    at: datetime
    host: str
    notice: str | None


@dataclass(frozen=True)
class Format:
    """How people are written down."""

    name: Literal["htcds", "pfif"]
    media_type: str
    ending: str
    classes: frozenset[FieldClass]
    write: Callable[[Sequence[Told], Occasion], bytes]


FORMATS: Mapping[str, Format] = {
    "htcds": Format(
        "htcds",
        "text/csv; charset=utf-8; header=present",
        "csv",
        htcds.CLASSES,
        lambda told, _: htcds.write(told),
    ),
    "pfif": Format(
        "pfif",
        "application/xml",
        "xml",
        pfif.CLASSES,
        lambda told, on: pfif.write(told, on.at, on.host, on.notice),
    ),
}


def write(made: Format, events: Sequence[Mapping[str, Any]], occasion: Occasion) -> bytes:
    """The file about whoever these events of a feed (CloudEvents, in its order) tell of."""
    return made.write(people(events), occasion)
