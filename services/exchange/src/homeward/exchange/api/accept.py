"""The forms in which a page of events can be had, of which the header ``Accept`` chooses."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Response

from homeward.common.problems import Problem
from homeward.common.sealing import canonical

from ..feed import Page

PAGE = "application/json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
FORMATS = (PAGE, BATCH, LINES)
CURSOR, MORE = "Homeward-Cursor", "Homeward-More"

_EVENT: Mapping[str, Any] = {
    "specversion": "1.0",
    "id": "01a20f71-ed69-75d0-a65b-296ca1293551",
    "source": "https://homeward.example/v1/events",
    "type": "homeward.subject.erased.v1",
    "subject": "7f17cd7e-0c5a-859f-baed-06f4fe6bb38b",
    "time": "2026-11-24T21:24:06.101863+00:00",
    "datacontenttype": "application/json",
    "sequence": "00000000000000000001",
    "data": {},
}
DOCUMENTED: Mapping[str, Any] = {
    "headers": {
        CURSOR: {"description": "Where the next request continues.", "schema": {"type": "string"}},
        MORE: {
            "description": "Whether that is worth doing at once.",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
    },
    "content": {
        BATCH: {
            "schema": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            "example": [_EVENT],
        },
        LINES: {
            "schema": {"type": "string", "description": "One CloudEvent a line."},
            "example": canonical(_EVENT).decode() + "\n",
        },
    },
}
"""What the OpenAPI document says beyond what it knows of :data:`PAGE`."""


def wanted(accept: str) -> str:
    """The best of :data:`FORMATS` by a header ``Accept`` (RFC 9110 §12.5.1; the first of those it likes
    alike, and of all without one); Problem 406 if it takes none."""
    ranges = list(_ranges(accept or "*/*"))
    liking = {media: _liking(media, ranges) for media in FORMATS}
    best = max(FORMATS, key=lambda media: liking[media])
    if not liking[best]:
        detail = f"Events are to be had as {', '.join(FORMATS)}, and at /v1/events/stream."
        raise Problem(406, "not-acceptable", detail)
    return best


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for one in accept.split(","):
        media, *parameters = (part.strip().lower() for part in one.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            yield media, min(1.0, max(0.0, float(quality)))
        except ValueError:
            yield media, 0.0


def _liking(media: str, ranges: list[tuple[str, float]]) -> float:
    """How much it is liked: what the most specific of the ranges says."""
    for name in (media, media.partition("/")[0] + "/*", "*/*"):
        said = [quality for known, quality in ranges if known == name]
        if said:
            return max(said)
    return 0.0


def answer(page: Page, media: str) -> Response:
    """The page in one of :data:`FORMATS`, its events byte for byte as they were recorded."""
    more = "true" if page.more else "false"
    headers = {"Cache-Control": "no-store", "Vary": "Accept", CURSOR: page.cursor, MORE: more}
    if media == LINES:
        content = b"".join(event + b"\n" for _, event in page.events)
    elif media == BATCH:
        content = page.array
    else:
        rest = canonical({"cursor": page.cursor, "more": page.more})
        content = b'{"events":%b,%b' % (page.array, rest.removeprefix(b"{"))
    return Response(content, media_type=media, headers=headers)
