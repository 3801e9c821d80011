"""Who is who: what of a report identifies a person for certain, and what follows. No I/O.

The seam for the full matcher (docs on matching): it will find more in a report than
:func:`strong_keys`, and weigh what :func:`decide` takes as certain.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from homeward.common.contracts import ReportReceived
from homeward.common.contracts.verification import LinkBasis, TraffickingStatus

_LONGEST = 200
"""Characters of a key; a longer text is no name or number, and a b-tree holds no row over 2.7 kB."""


class Key(NamedTuple):
    """Something by which one person is known, ready to compare."""

    basis: LinkBasis
    value: str

    @property
    def text(self) -> str:
        """The key as the matching index holds it."""
        return f"{self.basis}:{self.value}"


@dataclass(frozen=True)
class Register:
    """The report is about somebody new."""


@dataclass(frozen=True)
class Link:
    """The report is about a known person, because of ``basis``."""

    person_id: UUID
    basis: LinkBasis


Decision = Register | Link


def strong_keys(report: ReportReceived) -> list[Key]:
    """What says for certain who ``report`` is about: at most one key of each basis, the surest first."""
    keys = []
    if number := identifying_number(report.id_number):
        keys.append(Key(LinkBasis.ID_NUMBER, number))
    if number := identifying_number(report.passport_number):
        keys.append(Key(LinkBasis.PASSPORT_NUMBER, number))
    name, born = comparable_name(report.full_name), full_date(report.date_of_birth)
    if name and born:
        keys.append(Key(LinkBasis.NAME_AND_DATE_OF_BIRTH, f"{name}|{born}"))
    return keys


def decide(keys: Sequence[Key], found: Mapping[str, Collection[UUID]]) -> Decision:
    """Whom a report with ``keys`` is about, given the persons ``found`` by key text.

    Where keys point at several persons, the one registered first (the smallest UUIDv7) takes the
    report, and the others stay as they are: whether they are one is for a reviewer to say.
    """
    persons = {person_id for key in keys for person_id in found.get(key.text, ())}
    if not persons:
        return Register()
    oldest = min(persons)
    basis = next(key.basis for key in keys if oldest in found.get(key.text, ()))
    return Link(oldest, basis)


def identifying_number(written: str | None) -> str | None:
    """An identity or passport number as it compares: digits of any script as ASCII, capitals, no
    spaces or hyphens. None for what cannot single out a person: "unknown", 000000, or masked digits
    (110101********1234, 110101XXXXXXXX1234), as published lists have them."""
    plain = _nfkc(_without(written or "", _LEFT_OUT))
    # Capitals can undo normalisation, and what is left out can come of it.
    plain = _nfkc(_without(_nfkc(plain.upper()), _LEFT_OUT))
    kept = "".join(_ascii_digit(c) for c in plain)
    digits = [c for c in kept if c in "0123456789"]
    if len(digits) < 5 or len(set(digits)) < 2 or len(kept) > _LONGEST:
        return None
    if "XX" in kept or not all(c in "/()." or unicodedata.category(c)[0] in "LMN" for c in kept):
        return None
    return kept


def comparable_name(written: str | None) -> str | None:
    """A name as it compares within one script: compatibility forms and case folded, white space
    collapsed, invisible characters gone. None if nothing of a name is left."""
    shown = "".join(c for c in written or "" if c.isspace() or unicodedata.category(c) not in _INVISIBLE)
    # Folding can undo normalisation and the reverse, hence both twice (Unicode, D146).
    folded = _nfkc(_nfkc(unicodedata.normalize("NFD", shown).casefold()).casefold())
    name = " ".join(folded.split())
    return name if len(name) <= _LONGEST and any(c.isalpha() for c in name) else None


def full_date(written: str | None) -> str | None:
    """``YYYY-MM-DD`` if that is what is written, digits of any script; None for less than a day."""
    plain = "".join(_ascii_digit(c) for c in _nfkc(written or "").strip())
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", plain):
        return None
    try:
        return date.fromisoformat(plain).isoformat()
    except ValueError:
        return None


def reason_is_due(status: TraffickingStatus) -> bool:
    """Whether a status needs a reason: that somebody is no victim is a reasoned human decision."""
    return status is TraffickingStatus.NOT


_INVISIBLE = frozenset({"Cc", "Cf"})
"""Unicode categories of control and format characters."""
_LEFT_OUT = _INVISIBLE | {"Zs", "Zl", "Zp", "Pd"}
"""And of spaces and dashes."""


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _without(text: str, categories: frozenset[str]) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in categories)


def _ascii_digit(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)
