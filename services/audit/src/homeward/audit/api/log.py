"""The log as anybody may read it: checkpoint, verifier key, tiles, entries (C2SP tlog-tiles)."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.http import ServiceParts
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.tlog.checkpoint import Checkpoint
from homeward.tlog.merkle import EMPTY_ROOT
from homeward.tlog.note import Signer, sign
from homeward.tlog.tiles import WIDTH, TileRef, encode_bundle, width

from ..store import log as stored

router = APIRouter(prefix="/log", tags=["log"])

FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_WHILE = "public, max-age=3600"
"""A partial tile does not change either, but is of use only until the next one."""


@router.get("/checkpoint", response_class=PlainTextResponse)
async def checkpoint(parts: ServiceParts) -> Response:
    """The newest checkpoint, a signed note; of the empty log before the first record."""
    async with parts.engine.connect() as db:
        _, note = await newest(parts, db)
    return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})


@router.get("/vkey", response_class=PlainTextResponse)
async def verifier_key(parts: ServiceParts) -> Response:
    """The key that verifies the log's checkpoints, ``<origin>+<id>+<key>`` (C2SP signed-note)."""
    return PlainTextResponse(signer_of(parts).verifier_key.format() + "\n")


@router.get(
    "/tile/{path:path}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def tile(path: str, parts: ServiceParts) -> Response:
    """A tile ``<L>/<N>[.p/<W>]`` of hashes, or an entry bundle ``entries/<N>[.p/<W>]``.

    404 for a path in any but the canonical spelling and for what the tree does not have yet.
    """
    try:
        ref = TileRef.parse(f"tile/{path}")
    except ValueError:
        raise not_found("This is not the path of a tile or an entry bundle.") from None
    async with parts.engine.connect() as db:
        size, _ = await newest(parts, db)
        if width(size, ref.level or 0, ref.index) < ref.width:
            raise not_found("The tree does not reach that far yet.")
        content = await _content(db, ref)
    caching = FOR_EVER if ref.width == WIDTH else FOR_A_WHILE
    return Response(content, media_type="application/octet-stream", headers={"Cache-Control": caching})


def signer_of(parts: Parts) -> Signer:
    """The log's signer."""
    signer: Signer = parts.own["signer"]
    return signer


async def newest(parts: Parts, db: AsyncConnection) -> tuple[int, bytes]:
    """Size and note of the newest checkpoint; the empty log's if there is none."""
    if found := await stored.newest_checkpoint(db):
        return found
    signer = signer_of(parts)
    return 0, sign(Checkpoint(signer.verifier_key.name, 0, EMPTY_ROOT).format(), [signer])


def not_found(detail: str) -> Problem:
    """404 that no cache may keep: what is not in the log yet can be in a moment (RFC 9111 §4.2.2)."""
    problem = Problem(404, "not-in-log", detail)
    problem.headers["Cache-Control"] = "no-store"
    return problem


async def _content(db: AsyncConnection, ref: TileRef) -> bytes:
    """The bytes of what a published checkpoint covers; RuntimeError if they are lost."""
    if ref.level is None:
        leaves = await stored.entries_from(db, ref.index * WIDTH, ref.width)
        if len(leaves) == ref.width:
            return encode_bundle(leaves)
    elif data := await stored.tile_prefix(db, ref.level, ref.index, ref.width):
        return data
    raise RuntimeError(f"{ref.path} is lost")
