"""An export for a partner: the same reading as of its feed, written down in a format that others read."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from homeward.common.contracts import ExportMade
from homeward.common.sealing import canonical
from homeward.common.tx import Tx

from .domain import Partner, field_classes, in_order, notice_for
from .feed import Unsettled, open_rows, settled
from .formats import Format, Occasion, write
from .judge import Judge
from .pseudonyms import Place, Pseudonyms
from .store import pages
from .store.pages import Stretch


@dataclass(frozen=True)
class Export:
    """A file about some persons, and where the next one starts, if there may be one."""

    content: bytes
    digest: bytes
    """SHA-256 of the content."""
    next: str | None
    notice: str | None


async def make_export(
    made: Format, partner: Partner, stretch: Stretch, names: Pseudonyms, tx: Tx, judge: Judge, public_url: str
) -> Export:
    """The file about the persons of a stretch; Unsettled if some must be decided again first.

    Recorded in this transaction, with the classes in it and its digest, before a byte leaves. What the
    format has no field for is not even opened.
    """
    rows = await settled(pages.of_persons, partner, stretch, tx, judge)
    narrow = [row._replace(classes=[c for c in row.classes if c in made.classes]) for row in rows]
    notice = notice_for(partner.kind)
    opened = await open_rows(narrow, names, None, tx, public_url)
    occasion = Occasion(tx.now, urlsplit(public_url).hostname or "homeward", notice)
    content = write(made, orjson.loads(canonical(opened)), occasion)
    digest = hashlib.sha256(content)
    if rows:
        tx.emit(
            ExportMade(
                agency=partner.agency,
                format=made.name,
                classes=in_order(field_classes({name for row in narrow for name in row.classes})),
                persons=len(stretch.held),
                digest=digest.hexdigest(),
            )
        )
        if await pages.mark_read(tx.db, partner, stretch, 0) is None:  # suspended or changed meanwhile
            raise Unsettled(set())
    more = len(stretch.held) == stretch.limit
    following = names.cursor(Place(stretch.epoch, stretch.last)) if more else None
    return Export(content, digest.digest(), following, notice)
