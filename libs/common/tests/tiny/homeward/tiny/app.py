"""The smallest service there can be: it notes every report it hears of, and says that it did."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from pydantic_settings import SettingsConfigDict
from sqlalchemy import Column, Text, Uuid
from sqlalchemy.dialects.postgresql import insert

from homeward.common.contracts import Event, FieldClass, ReportReceived, SubjectErased
from homeward.common.main import build_parts
from homeward.common.parts import Service
from homeward.common.settings import ServiceSettings
from homeward.common.tx import Tx

metadata = sa.MetaData()
notes = sa.Table(
    "notes",
    metadata,
    Column("position", sa.BigInteger, sa.Identity(), primary_key=True),
    Column("report_id", Uuid, nullable=False),
    Column("name", Text),
)


class Settings(ServiceSettings):
    """See :class:`.ServiceSettings`."""

    model_config = SettingsConfigDict(env_prefix="TINY_")


class NoteTaken(Event):
    """A report was noted."""

    TYPE = "homeward.note.taken.v1"
    SERVICE: ClassVar[str | None] = "tiny"
    STREAM = "report_id"
    KEYED_BY = "report_id"

    report_id: Annotated[UUID, FieldClass.ENVELOPE]
    text: Annotated[str | None, FieldClass.NARRATIVE] = None


async def on_report_received(event: ReportReceived, tx: Tx) -> None:
    """Note it, and say so."""
    await tx.db.execute(insert(notes).values(report_id=event.report_id, name=event.full_name))
    tx.emit(NoteTaken(report_id=event.report_id))


async def on_subject_erased(event: SubjectErased, tx: Tx) -> None:
    """Nothing is kept that would have to go."""


def create_service(settings: ServiceSettings, **outside: Any) -> Service:
    """The service; ``outside`` as for :func:`.build_parts`."""
    parts = build_parts("tiny", settings, **outside)
    return Service(parts, consumers={ReportReceived: on_report_received, SubjectErased: on_subject_erased})
