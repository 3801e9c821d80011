"""A POST with an Idempotency-Key is done once, and its answer is kept where nobody reads it."""

import asyncio

import httpx
import pytest

from harness.world import World
from homeward.common.parts import Service

from .asking import SECRET, answering, in_process, without_database
from .noting import names
from .test_http_errors import check


@pytest.fixture
def service(service: Service) -> Service:
    return answering(service)


def under(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_the_same_key_gets_the_same_answer_and_is_done_once(world: World, service: Service) -> None:
    async with in_process(service, "notes:write") as client:
        first = await client.post("/v1/notes", json={"text": "x"}, headers=under("k1"))
        again = await client.post("/v1/notes", json={"text": "x"}, headers=under("k1"))
        other = await client.post("/v1/notes", json={"text": "x"}, headers=under("k2"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content != other.content
    assert first.headers["content-type"] == again.headers["content-type"]
    assert await names(world, service) == ["x", "x"]
    assert await world.execute(service, "SELECT count(*) FROM outbox") == [(2,)]


async def test_without_a_key_each_is_done(world: World, service: Service) -> None:
    async with in_process(service, "notes:write") as client:
        for _ in range(2):
            await client.post("/v1/notes", json={"text": "x"})
    assert await names(world, service) == ["x", "x"]


async def test_another_request_under_a_used_key_is_422(world: World, service: Service) -> None:
    headers = {**under("k1"), "content-type": "application/json"}
    others = [("", b'{"text": "y"}'), ("", b'{"text":"x"}'), ("?a=1", b'{"text": "x"}')]
    async with in_process(service, "notes:write") as client:
        await client.post("/v1/notes", content=b'{"text": "x"}', headers=headers)
        for query, body in others:
            response = await client.post(f"/v1/notes{query}", content=body, headers=headers)
            check(response, 422, "idempotency-key-reused")
    assert await names(world, service) == ["x"]


async def test_keys_of_two_clients_have_nothing_to_do_with_each_other(world: World, service: Service) -> None:
    for who in ("one", "other"):
        async with world.client(service, "notes:write", client_id=who) as client:
            response = await client.post("/v1/notes", json={"text": who}, headers=under("k1"))
            assert response.status_code == 201
    assert await names(world, service) == ["one", "other"]


async def test_requests_at_once_under_one_key_are_done_once(world: World, service: Service) -> None:
    async with in_process(service, "notes:write") as client:
        answers = await asyncio.gather(
            *(client.post("/v1/notes", json={"text": "x"}, headers=under("k1")) for _ in range(8))
        )
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert await names(world, service) == ["x"]


async def test_what_failed_can_be_tried_again_under_its_key(world: World, service: Service) -> None:
    async with in_process(service, "notes:write") as client:
        world.keyring.away = True
        check(await client.post("/v1/notes", json={"text": "x"}, headers=under("k1")), 503, "try-again")
        world.keyring.away = False
        assert (await client.post("/v1/notes", json={"text": "x"}, headers=under("k1"))).status_code == 201
    assert await names(world, service) == ["x"]


async def upload(client: httpx.AsyncClient, boundary: str, content: str, label: str = "") -> httpx.Response:
    """An upload as a client makes it whose every retry has a boundary of its own."""
    kind = f"multipart/form-data; boundary={boundary}"
    files = {"file": ("list.csv", content.encode())}
    headers = {**under("k1"), "content-type": kind}
    return await client.post("/v1/uploads", files=files, data={"label": label}, headers=headers)


async def test_an_upload_retried_with_another_boundary_is_the_same(world: World, service: Service) -> None:
    async with in_process(service) as client:
        first = await upload(client, "one", "full_name\nZoë", "a")
        again = await upload(client, "two", "full_name\nZoë", "a")
        assert first.status_code == 201
        assert first.content == again.content
        for content, label in (("full_name\nZoe", "a"), ("full_name\nZoë", "b"), ("full_name\nZoëa", "")):
            check(await upload(client, "three", content, label), 422, "idempotency-key-reused")
    assert await names(world, service) == ["full_name\nZoë"]  # the file was there to read, too


async def test_an_answer_rests_encrypted_and_a_body_not_at_all(world: World, service: Service) -> None:
    async with in_process(service, "notes:write") as client:
        answer = await client.post("/v1/notes", json={"text": SECRET[:10]}, headers=under("k1"))
    [row] = await world.execute(service, "SELECT body, fingerprint FROM idempotency")
    assert answer.json()["receipt"].encode() not in row.body
    assert b"receipt" not in row.body
    assert len(row.fingerprint) == 32
    # Nor can an answer be put under another key.
    await world.execute(service, "UPDATE idempotency SET key = 'k2'")
    async with in_process(service, "notes:write") as client:
        check(
            await client.post("/v1/notes", json={"text": SECRET[:10]}, headers=under("k2")), 500, "unexpected"
        )


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "a\tb"])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    async with in_process(without_database(), "notes:write") as client:
        response = await client.post("/v1/notes", json={"text": "x"}, headers=under(key))
    check(response, 422, "invalid-request")
    assert [error["field"] for error in response.json()["errors"]] == ["Idempotency-Key"]
