"""What exchange's routes need of its own parts."""

from typing import Annotated, cast

from fastapi import Depends
from pydantic import BaseModel, ConfigDict

from homeward.common.http import ServiceParts

from ..decide import Judge
from ..issuer import Issuer


class Body(BaseModel):
    """A request body: unknown fields are refused, values never shown in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def judge_of(parts: ServiceParts) -> Judge:
    """The policies and what else deciding needs."""
    return cast(Judge, parts.own["judge"])


def issuer_of(parts: ServiceParts) -> Issuer:
    """The token issuer."""
    return cast(Issuer, parts.own["issuer"])


TheJudge = Annotated[Judge, Depends(judge_of)]
TheIssuer = Annotated[Issuer, Depends(issuer_of)]
