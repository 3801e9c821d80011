"""A router with a little of everything, and clients of the tiny service that has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

import httpx
import sqlalchemy as sa
from fastapi import APIRouter, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.world import FakeVerifier, World
from homeward.common import http
from homeward.common.auth import Actor, require
from homeward.common.http import ServiceParts
from homeward.common.idempotency import IdempotencyKey, answer_once
from homeward.common.keys import KeyringUnavailable
from homeward.common.main import listen, serve
from homeward.common.parts import Service

from .noting import LIMIT, NoteTaken, Settings, create_service

router = APIRouter(prefix="/v1")
SECRET = "Zoë Lin, +86 10 8888"
Writer = Annotated[Actor, require("notes:write")]


ADD = sa.text(
    "INSERT INTO notes (report_id, name) VALUES (gen_random_uuid(), :text) RETURNING position, report_id"
)


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    country: str = Field(pattern=r"^[A-Z]{3}$")
    title: str = ""


class NoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=200)
    age: int | None = None
    places: list[Place] = []
    labels: dict[str, str] = {}

    @field_validator("text")
    @classmethod
    def _not_secret(cls, text: str) -> str:
        if text == SECRET:
            raise ValueError(f"will not take {text}")
        return text


class NoteOut(BaseModel):
    note_id: int
    receipt: str


@router.post("/notes", status_code=201)
async def take_note(
    body: NoteIn, request: Request, parts: ServiceParts, actor: Writer, key: IdempotencyKey = None
) -> Response:
    async with parts.transaction(actor.name) as tx:

        async def work() -> NoteOut:
            row = (await tx.db.execute(ADD, {"text": body.text})).one()
            tx.emit(NoteTaken(report_id=row.report_id, text=body.text))
            return NoteOut(note_id=row.position, receipt=f"R-{row.report_id}")

        return await answer_once(tx, request, key, work)


@router.post("/uploads", status_code=201)
async def upload(
    request: Request, parts: ServiceParts, file: UploadFile, label: Annotated[str, Form()] = "",
    key: IdempotencyKey = None,
) -> Response:  # fmt: skip
    async with parts.transaction("client:x") as tx:

        async def work() -> NoteOut:
            content = (await file.read()).decode()
            row = (await tx.db.execute(ADD, {"text": content})).one()
            return NoteOut(note_id=row.position, receipt=label)

        return await answer_once(tx, request, key, work)


@router.post("/checks")
async def check_note(body: NoteIn) -> dict[str, int]:
    return {"length": len(body.text)}


@router.post("/files")
async def check_file(file: UploadFile) -> dict[str, int]:
    return {"length": len(await file.read())}


@router.get("/notes/{name}")
async def note(name: str, actor: Writer, limit: Annotated[int, Query(ge=1)] = 10) -> dict[str, Any]:
    return {"name": name, "limit": limit}


@router.post("/fail/{how}")
async def fail(how: str, parts: ServiceParts) -> None:
    if how == "keyring":
        raise KeyringUnavailable(SECRET)
    if how == "database":
        async with parts.engine.begin() as db:
            await db.execute(sa.text("SELECT 1"))
    raise RuntimeError(f"cannot do it for {SECRET}")


def answering(service: Service) -> Service:
    """``service`` with the router, and a body limit of 10,000 bytes."""
    settings = service.parts.settings.model_copy(update={"max_body_bytes": 10_000})
    return replace(service, routers=[router], parts=replace(service.parts, settings=settings))


def without_database() -> Service:
    """One that never asks its database, and whose tokens are those of a test."""
    nowhere = "postgresql+asyncpg://127.0.0.1:1/nowhere"
    world = World(nowhere)
    outside = {"broker": world.broker, "keyring": world.keyring, "verifier": world.verifier}
    return answering(create_service(Settings(database_url=nowhere), **outside))


@asynccontextmanager
async def on_a_socket(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``service`` that reaches it through a real server."""
    stop, listening = asyncio.Event(), listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    serving = asyncio.ensure_future(serve(http.create_app(service), listening, stop))
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=LIMIT) as client:
            yield client
    finally:
        stop.set()
        await asyncio.wait_for(serving, LIMIT)


@asynccontextmanager
async def in_process(service: Service, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``service`` with a token that carries ``scopes``."""
    transport = httpx.ASGITransport(http.create_app(service), raise_app_exceptions=False)
    headers = token(service, *scopes) if scopes else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


def token(service: Service, *scopes: str) -> dict[str, str]:
    """The headers of somebody with ``scopes``."""
    verifier = service.parts.verifier
    assert isinstance(verifier, FakeVerifier)
    return {"Authorization": f"Bearer {verifier.token(*scopes)}"}


def fields(response: httpx.Response) -> dict[str, str]:
    """Field → code of a problem's errors."""
    return {error["field"]: error["code"] for error in response.json()["errors"]}
