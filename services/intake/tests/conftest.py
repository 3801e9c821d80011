"""A world with one intake in it, and what people hand in."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from harness.world import World, open_world
from homeward.common.contracts import FieldClass
from homeward.common.keys import LOOKUP
from homeward.common.parts import Service
from homeward.intake.app import create_service
from homeward.intake.settings import Settings

ENTITLED = frozenset(FieldClass) - {FieldClass.ASSESSMENT, FieldClass.HEALTH} | {LOOKUP}
CONSENT = {
    "purpose": "search",
    "recipient": "cn-police-liaison",
    "classes": ["envelope", "person_identity"],
    "given_by": "none_unreachable",
}


ROUTES = [("POST", "/v1/reports"), ("POST", "/v1/reports/import"), ("GET", "/v1/receipts/x")]
"""What needs the scope ``reports:write``."""


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_world(database) as world:
        yield world


@pytest.fixture
async def service(world: World) -> Service:
    return await world.start(create_service, Settings, classes=ENTITLED)


@pytest.fixture
async def http(world: World, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may hand in reports."""
    async with world.client(service, "reports:write", organisation="family-ngo") as client:
        yield client


def as_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    columns = sorted({column for row in rows for column in row} | {"full_name"})
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


async def send(
    client: httpx.AsyncClient,
    rows: Sequence[Mapping[str, str]] | bytes,
    *,
    media_type: str = "text/csv",
    headers: Mapping[str, str] | None = None,
    consents: object = None,
    **form: str,
) -> httpx.Response:
    """Import a list; ``form`` are further parts, but ``dry_run`` goes where it belongs."""
    content = rows if isinstance(rows, bytes) else as_csv(rows)
    params = {"dry_run": form.pop("dry_run")} if "dry_run" in form else {}
    if consents is not None:
        form["consents"] = json.dumps(consents)
    return await client.post(
        "/v1/reports/import",
        files={"file": ("list.csv", content, media_type)},
        data=form,
        params=params,
        headers=dict(headers or {}),
    )


def counts(response: httpx.Response) -> tuple[int, int, int, int]:
    """(rows, accepted, already imported, rejected) of an answer."""
    answer = response.json()
    return answer["rows"], answer["accepted"], answer["already_imported"], answer["rejected"]


def codes(response: httpx.Response) -> list[tuple[int, str, str]]:
    """(row, field, code) of all errors of an answer."""
    return [(error["row"], error["field"], error["code"]) for error in response.json()["errors"]]


async def tables(world: World, service: Service) -> dict[str, list[Any]]:
    """Everything in the database, by table, as text and bytes."""
    found = await world.execute(service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names: list[str] = [row.tablename for row in found]
    return {
        name: [tuple(row) for row in await world.execute(service, f'SELECT * FROM "{name}"')]
        for name in names
    }
