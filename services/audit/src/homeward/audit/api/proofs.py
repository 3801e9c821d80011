"""Proofs from the log, for whoever has no code to make them from tiles (RFC 9162 §2.1)."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from homeward.common.http import ServiceParts
from homeward.common.openapi import refusals
from homeward.common.parts import Parts
from homeward.common.problems import Problem
from homeward.tlog.merkle import Node, consistency_proof, inclusion_proof, leaf_hash
from homeward.tlog.tiles import node_reader, tiles_needed

from ..store import log as stored
from ..store import records
from .log import newest, not_found

router = APIRouter(prefix="/log/proof", tags=["log"], responses=refusals(404))

Position = Annotated[int | None, Query(ge=0, lt=2**63)]


class InclusionProof(BaseModel):
    """The entry at ``index`` is in the tree of ``size`` leaves that ``checkpoint`` signs.

    ``leaf`` is the entry, ``leaf_hash`` its hash, ``proof`` the hashes from the leaf's sibling up, all in
    base64; ``checkpoint`` is the signed note's text.
    """

    index: int
    size: int
    leaf_hash: str
    leaf: str
    proof: list[str]
    checkpoint: str


class ConsistencyProof(BaseModel):
    """The tree of ``from`` leaves is a prefix of the tree of ``to`` leaves that ``checkpoint`` signs."""

    model_config = ConfigDict(populate_by_name=True)

    earlier: int = Field(alias="from")
    later: int = Field(alias="to")
    proof: list[str]
    checkpoint: str


@router.get("/inclusion")
async def inclusion(
    parts: ServiceParts, event_id: UUID | None = None, index: Position = None, size: Position = None
) -> InclusionProof:
    """That an event is in the log. Needs no token: an event's id tells nothing but its place.

    ``size`` is that of a published checkpoint, by default the newest. 404 if that tree lacks the event.
    """
    if (event_id is None) == (index is None):
        raise Problem(422, "invalid-request", "Give event_id or index, one of them.")
    async with parts.engine.connect() as db:
        if event_id is not None:  # before the newest checkpoint is read, which then covers it
            index = await records.index_of(db, event_id)
        size, note = await _published(parts, db, size)
        if index is None or index >= size:
            raise not_found("The log has no such entry at this size.")
        (leaf,) = await stored.entries_from(db, index, 1)
        proof = await _proof(db, lambda node: inclusion_proof(index, size, node))
    return InclusionProof(
        index=index,
        size=size,
        leaf_hash=_b64(leaf_hash(leaf)),
        leaf=_b64(leaf),
        proof=proof,
        checkpoint=note.decode(),
    )


@router.get("/consistency")
async def consistency(
    parts: ServiceParts,
    earlier: Annotated[int, Query(alias="from", ge=0, lt=2**63)],
    later: Annotated[int | None, Query(alias="to", ge=0, lt=2**63)] = None,
) -> ConsistencyProof:
    """That nothing was changed or taken out since the log had ``from`` leaves.

    ``to`` is the size of a published checkpoint, by default the newest.
    """
    async with parts.engine.connect() as db:
        size, note = await _published(parts, db, later)
        if earlier > size:
            raise Problem(422, "invalid-request", "from must not be larger than to.")
        proof = await _proof(db, lambda node: consistency_proof(earlier, size, node))
    return ConsistencyProof(earlier=earlier, later=size, proof=proof, checkpoint=note.decode())


async def _published(parts: Parts, db: AsyncConnection, size: int | None) -> tuple[int, bytes]:
    """The checkpoint at ``size``, or the newest; 404 if none was published at that size."""
    last, note = await newest(parts, db)
    if size is None or size == last:
        return last, note
    earlier = await stored.checkpoint_of(db, size)
    if earlier is None:
        raise not_found("No checkpoint of this size was published.")
    return size, earlier


async def _proof(db: AsyncConnection, prove: Callable[[Node], Sequence[bytes]]) -> list[str]:
    tiles = await stored.tiles_at(db, tiles_needed(prove))
    return [_b64(sibling) for sibling in prove(node_reader(lambda level, index: tiles[level, index]))]


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode()
