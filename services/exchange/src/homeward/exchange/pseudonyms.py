"""Ids that only one agency knows: two partners cannot tell from them that they hold the same case."""

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from homeward.common.contracts import Event, FieldClass
from homeward.common.keys import expand, hmac_under


class Place(NamedTuple):
    """Where a reader is: behind the event ``seq`` of its feed as it is in this epoch."""

    epoch: int
    seq: int


class Pseudonyms:
    """The ids of one agency; ``secret`` is exchange's look-up key. Made for a page: it remembers what it
    was asked."""

    def __init__(self, secret: bytes, agency: str) -> None:
        self._hmac = hmac_under(expand(secret, f"pseudonyms|{agency}"))
        self._known: dict[str, str] = {}

    def of(self, kind: str, internal: UUID | str) -> str:
        """The agency's id of an internal one (UUIDv8, RFC 9562 §5.8), as text."""
        name = f"{kind}|{internal}"
        if name not in self._known:
            it = self._hmac(name.encode()).hex()
            variant = "89ab"[int(it[16], 16) & 3]
            self._known[name] = f"{it[:8]}-{it[8:12]}-8{it[13:16]}-{variant}{it[17:20]}-{it[20:32]}"
        return self._known[name]

    def envelope(
        self, contract: type[Event], fields: dict[str, Any], released: Collection[str]
    ) -> dict[str, Any]:
        """Envelope fields with the agency's ids, beside the classes ``released``.

        The id of whoever seals classes of its own (the reporter) is shown with one of these only: by it
        alone an agency could tell which reports come from one family. A referral's id stays what it is:
        it concerns one agency, which names it when it answers.
        """
        shown, kinds, owners = {}, _kinds(contract), _owners(contract)
        for name, value in fields.items():
            if name not in kinds or (name in owners and owners[name].isdisjoint(released)):
                continue
            kind = kinds[name]
            shown[name] = value if kind is None else self.of(kind, value)
        return shown

    def cursor(self, place: Place) -> str:
        """A place in the agency's feed, opaque, and good for this agency only."""
        text = f"{place.epoch}.{place.seq}"
        return urlsafe_b64encode(f"{text}.{self._tag(text)}".encode()).decode().rstrip("=")

    def place(self, cursor: str) -> Place | None:
        """The place a cursor stands for; None if it is not one of this agency's."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            raw = b64decode(padded, altchars=b"-_", validate=True)
            text, _, tag = raw.decode("ascii").rpartition(".")
        except ValueError:
            return None
        epoch, _, seq = text.partition(".")
        if not (epoch.isdigit() and seq.isdigit() and hmac.compare_digest(tag, self._tag(text))):
            return None
        return Place(int(epoch), int(seq))

    def _tag(self, text: str) -> str:
        return self._hmac(f"cursor|{text}".encode())[:12].hex()


@cache
def _kinds(contract: type[Event]) -> Mapping[str, str | None]:
    """The envelope's fields, and what those that are ids are ids of."""
    return {name: _kind(name) for name, c in contract.CLASSES.items() if c is FieldClass.ENVELOPE}


def _kind(name: str) -> str | None:
    if name == "referral_id" or not name.endswith("_id"):
        return None
    return "person" if name == "new_person_id" else name.removesuffix("_id")


@cache
def _owners(contract: type[Event]) -> Mapping[str, frozenset[FieldClass]]:
    """The fields that name whoever seals classes of its own, with those classes."""
    owners: dict[str, frozenset[FieldClass]] = {}
    for field_class, name in contract.ALSO_KEYED_BY.items():
        owners[name] = owners.get(name, frozenset()) | {field_class}
    return owners
