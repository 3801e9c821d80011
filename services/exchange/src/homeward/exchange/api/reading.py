"""Who reads a partner's feed over HTTP."""

from typing import Annotated

from fastapi import Depends

from homeward.common.auth import Actor, require
from homeward.common.http import ServiceParts

from ..reading import Reading
from .own import TheJudge, TheSettings

Reader = Annotated[Actor, require("events:read")]


async def reading_of(parts: ServiceParts, actor: Reader, judge: TheJudge, settings: TheSettings) -> Reading:
    """How the partner reads that asks."""
    return Reading(parts, judge, actor.organisation, actor.name, settings.feed_pause_seconds)


TheReading = Annotated[Reading, Depends(reading_of)]
