"""Every role can be asked whether it lives, whether it is ready, and how it does."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from harness.ports import free_port
from harness.postgres import Postgres
from harness.world import World
from homeward.common.broker import open_broker
from homeward.common.contracts import CONTRACTS
from homeward.common.http import create_app, create_probes
from homeward.common.parts import Service

from .asking import in_process, router, without_database
from .test_http_errors import check


async def test_a_service_that_has_all_it_needs_is_ready(service: Service) -> None:
    async with in_process(service) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True, "waiting_for": []})


async def test_a_service_that_waits_says_what_for(world: World, service: Service, postgres: Postgres) -> None:
    async def waiting_for(
        service: Service, create: Callable[[Service], FastAPI] = create_probes
    ) -> list[str]:
        transport = ASGITransport(create(service))
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/healthz")).status_code == 200
            response = await client.get("/readyz")
            assert response.status_code == (503 if response.json()["waiting_for"] else 200)
            found: list[str] = response.json()["waiting_for"]
            return found

    async def index() -> str | None:
        return "index"

    assert await waiting_for(replace(service, ready=index)) == ["index"]
    kafka = open_broker(f"kafka://127.0.0.1:{free_port()}")
    no_kafka = replace(service, parts=replace(service.parts, broker=kafka))
    assert await waiting_for(no_kafka) == ["broker"]
    assert await waiting_for(no_kafka, create_app) == [], "what it commits waits in the outbox"
    await world.execute(service, "UPDATE alembic_version SET version_num = '0000'")
    assert await waiting_for(service) == ["migrations"]
    await world.execute(service, "DROP TABLE alembic_version")
    assert await waiting_for(service) == ["migrations"]
    await world.execute(service, "CREATE TABLE alembic_version AS SELECT '0001' AS version_num")
    postgres.kill()
    assert await waiting_for(service) == ["database", "broker"]
    await asyncio.to_thread(postgres.restart)
    assert await waiting_for(service) == []


async def test_metrics_name_routes_and_no_paths() -> None:
    service = replace(without_database(), routers=[router])
    async with in_process(service, "notes:write") as client:
        assert (await client.get("/v1/notes/R-SECRET-CODE")).status_code == 200
        await client.get("/v1/nothing/R-SECRET-CODE")
        await client.request("BREW", "/v1/notes/R-SECRET-CODE")
        await client.post("/v1/fail/R-SECRET-CODE")
        text = (await client.get("/metrics")).text
    assert "SECRET" not in text
    assert "BREW" not in text
    counted = 'homeward_http_request_seconds_count{{method="{}",route="{}",service="tiny",status="{}"}}'
    assert counted.format("GET", "/v1/notes/{name}", 200) in text
    assert counted.format("GET", "none", 404) in text
    assert counted.format("POST", "/v1/fail/{how}", 500) in text
    assert 'method="other"' in text


async def test_the_roles_that_answer_nobody_have_probes_too(service: Service) -> None:
    transport = ASGITransport(create_probes(service))
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        assert "homeward_" in (await client.get("/metrics")).text
        assert (await client.get("/v1/tiny/outbox")).status_code == 404


@pytest.mark.parametrize("create", [create_app, create_probes])
async def test_schemas_are_where_events_say_they_are(create: object) -> None:
    app = create(without_database())  # type: ignore[operator]
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        for name in CONTRACTS:
            response = await client.get(f"/schemas/{name}.json")
            assert response.headers["content-type"] == "application/schema+json"
            assert response.json()["$id"] == f"{name}.json"
        check(await client.get("/schemas/homeward.nothing.happened.v1.json"), 404, "not-found")
