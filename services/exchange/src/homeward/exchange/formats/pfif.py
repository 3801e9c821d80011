"""PFIF 1.4 (People Finder Interchange Format): a record a person, and notes of what was said of it.

Whose name the partner may not see is not in it: the format has no person without a name. Contacts of
whoever reported, and the last known location, are blank unless they are released.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from homeward.common.contracts import FieldClass

from .people import Said, Told

CLASSES = frozenset(
    {
        FieldClass.ENVELOPE, FieldClass.STATUS, FieldClass.PERSON_IDENTITY, FieldClass.PERSON_DESCRIPTION,
        FieldClass.NARRATIVE, FieldClass.LOCATION_PRECISE, FieldClass.REPORTER_IDENTITY,
        FieldClass.REPORTER_CONTACT,
    }
)  # fmt: skip
"""The classes that it has fields for."""
NAMESPACE = "http://zesty.ca/pfif/1.4"
STATUSES = frozenset(
    {"information_sought", "believed_missing", "believed_alive", "is_note_author", "believed_dead"}
)
_SEXES = {"M": "male", "F": "female"}
_DATE = re.compile(r"\d{4}(-\d\d){0,2}")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Fields = dict[str, Any]


def write(told: Sequence[Told], at: datetime, host: str, notice: str | None) -> bytes:
    """The file: a line before its people, a line for each of them, a line after. ``notice`` stands in a
    comment."""
    lines = [
        "<?xml version='1.0' encoding='UTF-8'?>" + (f"<!-- {notice} -->" if notice else "")
        + f'<pfif:pfif xmlns:pfif="{NAMESPACE}">'
    ]  # fmt: skip
    for one in told:
        if one.first("full_name"):
            lines.append(_line("person", _person(one, at, host)))
            lines += [_line("note", note) for note in _notes(one, host)]
    return "\n".join([*lines, "</pfif:pfif>", ""]).encode()


def _person(told: Told, at: datetime, host: str) -> Fields:
    born = told.first("date_of_birth") or ""
    return {
        "person_record_id": f"{host}/person.{told.person}",
        "entry_date": _instant(at.isoformat()),
        **_author(told.reports[0]),
        "source_name": host,
        "source_date": _instant(told.first("received_at") or told.reports[0].at),
        "full_name": told.first("full_name"),
        "alternate_names": "\n".join(_other_names(told)),
        "description": told.first("physical_description"),
        "sex": _SEXES.get(told.first("sex") or ""),
        "date_of_birth": born if _DATE.fullmatch(born) else None,
        "age": told.first("age"),
        "home_city": told.first("home_city"),
        "home_state": told.first("home_province"),
    }


def _other_names(told: Told) -> list[str]:
    names = [name for said in told.reports for name in _names(said)]
    return [name for name in dict.fromkeys(names) if name != told.first("full_name")]


def _names(said: Said) -> list[str]:
    full_name = said.fields.get("full_name")
    return ([full_name] if full_name else []) + list(said.fields.get("alternate_names") or ())


def _notes(told: Told, host: str) -> Iterator[Fields]:
    for said in told.reports:
        texts = [said.fields[name] for name in ("narrative", "appeal") if said.fields.get(name)]
        where = said.fields.get("last_known_location")
        if texts or where:
            status = "information_sought" if said.fields.get("kind") == "missing" else None
            note = {"status": status, "last_known_location": where, "text": "\n\n".join(texts) or where}
            yield _note(told, said, host, said.fields.get("received_at"), note)
    for said in told.statuses:
        asserted, by = said.fields.get("trafficking_status"), said.fields.get("deciding_organisation")
        if asserted:
            text = f"{asserted} ({by})" if by else str(asserted)
            yield _note(told, said, host, said.fields.get("asserted_at"), {"text": text})
    for said in told.cases:
        if (status := said.fields.get("search_status")) in STATUSES:
            yield _note(told, said, host, None, {"status": status, "text": status})


def _note(told: Told, said: Said, host: str, date: str | None, content: Fields) -> Fields:
    return {
        "note_record_id": f"{host}/note.{said.id}",
        "person_record_id": f"{host}/person.{told.person}",
        "entry_date": _instant(said.at),
        "author_name": host,  # mandatory, whoever it was
        **_author(said),
        "source_date": _instant(date or said.at),
        **content,
    }


def _author(said: Said) -> Fields:
    contact = said.fields.get("reporter_contact") or ""
    author = {
        "author_name": said.fields.get("reporter_name"),
        "author_email": contact if "@" in contact else None,
        "author_phone": None if "@" in contact else contact,
    }
    return {name: value for name, value in author.items() if value}


def _instant(text: str) -> str:
    """As PFIF writes times: in UTC, to the second."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _line(kind: str, fields: Fields) -> str:
    """An element on one line: line breaks within a field as character references."""
    element = ElementTree.Element(f"pfif:{kind}")
    for name, value in fields.items():
        if value not in (None, ""):
            ElementTree.SubElement(element, f"pfif:{name}").text = _NOT_XML.sub("\ufffd", str(value))
    written = ElementTree.tostring(element, encoding="unicode")
    return written.replace("\r", "&#13;").replace("\n", "&#10;")
