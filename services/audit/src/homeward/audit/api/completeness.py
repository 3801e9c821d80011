"""Whether any event is missing from the log: gaps in what each source numbered, and what still waits."""

from fastapi import APIRouter
from pydantic import BaseModel

from homeward.common.broker import Positions
from homeward.common.http import ServiceParts

from ..completeness import Source, missing_epochs
from ..domain import TOPICS
from ..store import log as stored
from ..store import records
from .events import Auditor

router = APIRouter(prefix="/v1/audit", tags=["audit"])
MOST_GAPS = 100
"""Ranges listed of one source; how many numbers are missing is told in full."""


class Gap(BaseModel):
    """Sequence numbers that are not in the log, both ends included."""

    first: int
    last: int


class SourceState(BaseModel):
    """One source: complete when ``first`` is 1 and nothing is ``missing``."""

    source: str
    first: int
    last: int
    count: int
    missing: int
    gaps: list[Gap]
    more_gaps: bool


class TopicState(BaseModel):
    """Records ever published to a topic, those committed as sequenced, and how many wait."""

    topic: str
    end: int
    committed: int
    lag: int


class Completeness(BaseModel):
    """Whether every event that was given a number is in the log of ``size`` entries.

    A gap is final when ``settled``, that is when nothing waited and nothing came meanwhile; else the
    records that fill it may still be on their way. ``missing_sources`` are epochs of which nothing is
    there although a later one is.
    """

    size: int
    complete: bool
    settled: bool
    sources: list[SourceState]
    missing_sources: list[str]
    topics: list[TopicState]


@router.get("/completeness")
async def completeness(parts: ServiceParts, actor: Auditor) -> Completeness:
    """Per source what is there and what is missing; per topic what waits. 503 without the broker."""
    broker = parts.broker
    end, committed = await broker.end_positions(TOPICS), await broker.committed(parts.name, TOPICS)
    async with parts.engine.connect() as db:
        newest = await stored.newest_checkpoint(db)
        found = await records.sources(db, MOST_GAPS + 1)
    settled = end == committed and end == await broker.end_positions(TOPICS)
    lost = missing_epochs([state.source for state in found])
    return Completeness(
        size=newest[0] if newest else 0,
        complete=not lost and not any(state.missing for state in found),
        settled=settled,
        sources=[_source(state) for state in found],
        missing_sources=lost,
        topics=[_topic(topic, end, committed) for topic in TOPICS],
    )


def _source(state: Source) -> SourceState:
    listed = state.gaps[:MOST_GAPS]
    told = sum(last - first + 1 for first, last in listed)
    return SourceState(
        source=state.source,
        first=state.first,
        last=state.last,
        count=state.count,
        missing=state.missing,
        gaps=[Gap(first=first, last=last) for first, last in listed],
        more_gaps=told < state.missing,
    )


def _topic(topic: str, end: Positions, committed: Positions) -> TopicState:
    published = sum(offset for at, offset in end.items() if at.topic == topic)
    done = sum(offset for at, offset in committed.items() if at.topic == topic)
    return TopicState(topic=topic, end=published, committed=done, lag=published - done)
