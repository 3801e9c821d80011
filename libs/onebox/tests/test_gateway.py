"""One port for all services."""

import asyncio
import json
import re
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from homeward.common import http
from homeward.onebox.edition import create_services, facing_others
from homeward.onebox.gateway import Gateway, merged_openapi
from homeward.onebox.secrets import write_secrets

Apps = dict[str, FastAPI]


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Apps:
    """All services' faces, with no database behind them."""
    secrets = write_secrets(tmp_path_factory.mktemp("data"), "http://here")
    services = create_services(secrets, "http://here", "postgresql+asyncpg://nobody@127.0.0.1:9/{}".format)
    return {service.name: http.create_app(facing_others(service)) for service in services}


@pytest.fixture
def client(apps: Apps) -> httpx.AsyncClient:
    gateway = Gateway([app.state.service for app in apps.values()], apps)
    transport = httpx.ASGITransport(gateway, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_what_is_nowhere_is_404_and_what_is_there_by_another_method_405(
    client: httpx.AsyncClient,
) -> None:
    nowhere = await client.get("/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "/problems/not-found")
    for path in ("/v1/reports", "/v1/partners", "/healthz", "/openapi.json"):
        wrong = await client.request("PUT", path)
        assert (wrong.status_code, wrong.json()["type"]) == (405, "/problems/method-not-allowed")
        assert wrong.headers["allow"]


async def test_each_path_is_answered_by_the_service_that_has_it(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/report-columns")).json()["columns"][0] == "kind"
    metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["jwks_uri"] == "http://here/oauth/jwks"
    for path in ("/v1/partners", "/v1/counts", "/v1/cases", "/v1/audit/events", "/v1/keyring/outbox"):
        assert (await client.get(path)).status_code == 401, path


async def test_the_keyring_hands_out_keys_to_nobody_on_this_port(client: httpx.AsyncClient) -> None:
    for path in ("/v1/keys", "/v1/erasures"):
        assert (await client.post(path, json={})).status_code == 404


async def test_it_is_alive_and_says_what_it_waits_for(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert set(ready.json()["waiting_for"]) == {
        "keyring", "intake", "verification", "referral", "exchange", "audit"
    }  # fmt: skip


async def test_who_still_waits_when_it_stops_is_told_to_try_again() -> None:
    waiting = asyncio.Event()
    app = FastAPI()

    @app.get("/v1/wait")
    async def wait() -> None:
        waiting.set()
        await asyncio.sleep(60)

    transport = httpx.ASGITransport(Gateway([], {"one": app}))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        asking = asyncio.create_task(client.get("/v1/wait"))
        await waiting.wait()
        asking.cancel()  # as the server does with what is under way
        answer = await asking
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/stopping")
    assert answer.headers["retry-after"] == "5"


class TestOpenApi:
    """The merged document is one that tools can read."""

    async def test_every_operation_of_every_service_is_in_it(
        self, client: httpx.AsyncClient, apps: Apps
    ) -> None:
        document = (await client.get("/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        own: set[tuple[str, str]] = set()
        for app in apps.values():
            own |= set(operations(app.openapi()))
        assert set(operations(document)) == own
        assert len(own) > 60

    async def test_every_operation_has_an_id_of_its_own_and_answers(self, client: httpx.AsyncClient) -> None:
        found = operations((await client.get("/openapi.json")).json())
        ids = [operation["operationId"] for operation in found.values()]
        assert len(set(ids)) == len(ids)
        for (method, path), operation in found.items():
            assert operation["responses"], path
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, (method, path)

    async def test_every_reference_leads_to_a_valid_schema(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        schemas = document["components"]["schemas"]
        for schema in schemas.values():
            jsonschema.Draft202012Validator.check_schema(schema)
        for part in json.dumps(document).split('"#/components/schemas/')[1:]:
            assert part.partition('"')[0] in schemas

    def test_two_things_of_one_name_are_both_kept(self) -> None:
        def document(kind: str, path: str) -> dict[str, Any]:
            reference = {"$ref": "#/components/schemas/Erasure"}
            return {
                "paths": {path: {"get": {"responses": {"200": {"schema": reference}}}}},
                "components": {"schemas": {"Erasure": {"type": kind}, "Shared": {"type": "string"}}},
            }

        merged = merged_openapi({"one": document("string", "/a"), "two": document("object", "/b")})
        schemas = merged["components"]["schemas"]
        assert {name: schema["type"] for name, schema in schemas.items()} == {
            "Erasure": "string", "two.Erasure": "object", "Shared": "string"
        }  # fmt: skip
        assert merged["paths"]["/a"]["get"]["responses"]["200"]["schema"] == {
            "$ref": "#/components/schemas/Erasure"
        }
        assert merged["paths"]["/b"]["get"]["responses"]["200"]["schema"] == {
            "$ref": "#/components/schemas/two.Erasure"
        }

    def test_two_methods_of_one_path_are_both_kept(self) -> None:
        def document(method: str) -> dict[str, Any]:
            return {"paths": {"/a": {method: {}}}}

        merged = merged_openapi({"one": document("get"), "two": document("post")})
        assert set(merged["paths"]["/a"]) == {"get", "post"}


async def test_the_interface_can_be_read_without_a_network(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for path in loaded:
        assert (await client.get(path)).status_code == 200, path
    assert "'/openapi.json'" in page.text
    assert '"validatorUrl": null' in page.text
    assert (await client.get("/docs/nothing.js")).status_code == 404
