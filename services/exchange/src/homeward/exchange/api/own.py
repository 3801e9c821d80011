"""What exchange's routes need of its own parts."""

import unicodedata
from typing import Annotated, cast

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from homeward.common.http import ServiceParts

from ..issuer import Issuer
from ..judge import Judge
from ..settings import Settings


class Body(BaseModel):
    """A request body: unknown fields are refused, values never shown in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _one_line(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise PydanticCustomError("not_one_line", "empty, or with control characters")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
"""A name for people, on one line."""


async def judge_of(parts: ServiceParts) -> Judge:
    """The policies and what else deciding needs."""
    return cast(Judge, parts.own["judge"])


async def issuer_of(parts: ServiceParts) -> Issuer:
    """The token issuer."""
    return cast(Issuer, parts.own["issuer"])


async def settings_of(parts: ServiceParts) -> Settings:
    """Exchange's own settings."""
    return cast(Settings, parts.settings)


TheJudge = Annotated[Judge, Depends(judge_of)]
TheIssuer = Annotated[Issuer, Depends(issuer_of)]
TheSettings = Annotated[Settings, Depends(settings_of)]
