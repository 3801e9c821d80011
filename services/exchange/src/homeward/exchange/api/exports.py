"""What a partner may see, as a file that other systems read."""

from base64 import b64encode
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from homeward.common.openapi import refusals
from homeward.common.tx import Tx

from ..domain import Partner
from ..export import Export, make_export
from ..formats import FORMATS, Format
from ..pseudonyms import Pseudonyms
from ..store import pages
from ..store.pages import Stretch
from .reading import TheReading

router = APIRouter(prefix="/v1/exports", tags=["exports"])
_FILES = {one.media_type.partition(";")[0]: {"schema": {"type": "string"}} for one in FORMATS.values()}


@router.get(
    "/{format}",
    response_class=Response,
    responses={**refusals(410), 200: {"content": _FILES}},
)
async def make(
    format: Literal["htcds", "pfif"],
    reading: TheReading,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> Response:
    """The next persons of whom you may see something, in a format that others read: HTCDS 2.0 (CSV) or
    PFIF 1.4 (XML).

    Made of what your feed gives you now, and recorded like a page of it. ``Link`` names the next file, if
    there is more; ``Content-Digest`` (RFC 9530) is what the record has.
    """
    made = FORMATS[format]
    url = reading.parts.settings.public_url

    async def show(partner: Partner, stretch: Stretch, names: Pseudonyms, tx: Tx) -> Export:
        return await make_export(made, partner, stretch, names, tx, reading.judge, url)

    return _answer(made, await reading.read(cursor, limit, pages.hold_persons, show), limit)


def _answer(made: Format, file: Export, limit: int) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Digest": f"sha-256=:{b64encode(file.digest).decode()}:",
        "Content-Disposition": f'attachment; filename="homeward-{made.name}.{made.ending}"',
    }
    if file.next:
        headers["Link"] = f'</v1/exports/{made.name}?cursor={file.next}&limit={limit}>; rel="next"'
    if file.notice:
        headers["Homeward-Notice"] = file.notice
    return Response(file.content, media_type=made.media_type, headers=headers)
