"""Every error is a problem: what is wrong and where, and never what was sent."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from homeward.common.logs import JsonLines
from homeward.common.problems import MEDIA_TYPE, pointer

from .asking import SECRET, fields, in_process, without_database

JSON = {"content-type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(without_database(), "notes:write") as client:
        yield client


def check(response: httpx.Response, status: int, slug: str) -> None:
    """A problem of ``status``, that quotes nothing of what is secret."""
    assert response.status_code == status
    assert response.headers["content-type"] == MEDIA_TYPE
    problem = response.json()
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status)
    assert problem["title"]
    assert problem["detail"]
    assert "Zo" not in response.text
    assert "8888" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"text": }', b'{"text": "x"} and more', b'{"text": "\xff"}', b"\xff\xfe", b"'text'",
        b'{"text": "a\x00b"}', b"[" * 100_000, b'{"age": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
async def test_what_is_no_json(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/checks", content=body[:9_000], headers=JSON)
    if body == b"":
        assert fields(response) == {"body": "missing"}
    else:
        assert response.status_code == 400
        assert response.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_what_is_not_called_json(
    client: httpx.AsyncClient, media_type: str | None, chunked: bool
) -> None:
    body = json.dumps({"text": SECRET}).encode()

    async def in_chunks() -> AsyncIterator[bytes]:
        yield body

    response = await client.post(
        "/v1/checks",
        content=in_chunks() if chunked else body,
        headers={"content-type": media_type} if media_type else {},
    )
    check(response, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "application/vnd.x+json"]
)
async def test_what_is_called_json_in_any_way(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.post("/v1/checks", content=b'{"text": "x"}', headers={"content-type": media_type})
    assert response.status_code == 200


INVALID: dict[str, tuple[Any, dict[str, str]]] = {
    "unknown field": ({"text": "x", "nickname": SECRET}, {"nickname": "extra_forbidden"}),
    "missing field": ({"age": 3}, {"text": "missing"}),
    "wrong type": ({"text": "x", "age": SECRET}, {"age": "int_parsing"}),
    "too long": ({"text": SECRET * 20}, {"text": "string_too_long"}),
    "own check": ({"text": SECRET}, {"text": "value_error"}),
    "lone surrogate": ({"text": SECRET + "\ud800"}, {"text": "string_unicode"}),
    "below a list": (
        {"text": "x", "places": [{"country": "THA"}, {"country": SECRET, "title": 3}]},
        {"places[1].country": "string_pattern_mismatch", "places[1].title": "string_type"},
    ),
    "NUL": ({"text": SECRET + "\0"}, {"text": "nul_character"}),
    "NUL below": (
        {"text": "x", "places": [{"country": "THA", "title": "a\0"}]},
        {"places[0].title": "nul_character"},
    ),
    "NUL in a name": ({"text": "x", "labels": {"a\0b": "c"}}, {"labels.ab": "nul_character"}),
    "no object": ([SECRET], {"body": "model_attributes_type"}),
    "null": (None, {"body": "model_attributes_type"}),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
async def test_fields_that_are_not_valid_are_named(client: httpx.AsyncClient, case: str) -> None:
    body, wrong = INVALID[case]
    response = await client.post("/v1/checks", content=json.dumps(body).encode(), headers=JSON)
    check(response, 422, "invalid-request")
    assert fields(response) == wrong


async def test_a_backslash_before_u0000_is_no_nul(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/checks", content=rb'{"text": "C:\\u0000"}', headers=JSON)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/v1/notes/a?limit=0", {"limit": "greater_than_equal"}),
        ("/v1/notes/a?limit=Zo%C3%AB", {"limit": "int_parsing"}),
        ("/v1/notes/a?other=%00", {"other": "nul_character"}),
    ],
)
async def test_parts_of_the_url_that_are_not_valid_are_named(
    client: httpx.AsyncClient, path: str, wrong: dict[str, str]
) -> None:
    response = await client.get(path)
    check(response, 422, "invalid-request")
    assert fields(response) == wrong


async def test_at_most_a_hundred_errors_are_told(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/checks", json={"text": "x", **{f"x{n}": 1 for n in range(300)}})
    check(response, 422, "invalid-request")
    assert len(response.json()["errors"]) == 100


async def test_paths_and_methods_nobody_has(client: httpx.AsyncClient) -> None:
    check(await client.get(f"/v1/nothing/{SECRET}"), 404, "not-found")
    response = await client.delete("/v1/checks")
    check(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


async def test_the_unexpected_is_told_to_nobody_and_logged_without_its_message(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        check(await client.post("/v1/fail/somehow"), 500, "unexpected")
    [record] = [r for r in caplog.records if r.levelno >= logging.WARNING]
    line = JsonLines("tiny").format(record)
    assert "RuntimeError at" in line
    assert "asking.py" in line
    assert "8888" not in line


@pytest.mark.parametrize("how", ["keyring", "database"])
async def test_what_passes_by_itself_is_to_be_tried_again(
    client: httpx.AsyncClient, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        response = await client.post(f"/v1/fail/{how}")
    check(response, 503, "try-again")
    assert response.headers["retry-after"] == "2"
    assert "8888" not in caplog.text
    assert not [r for r in caplog.records if r.levelno > logging.WARNING]


@pytest.mark.parametrize(
    ("location", "field"),
    [
        (("body",), "body"),
        ((), "body"),
        (("body", "places", 1, "country"), "places[1].country"),
        (("body", 0, "text"), "[0].text"),
        (("query", "limit"), "limit"),
        (("body", "path", "body"), "path.body"),
        (("body", "many", 3, "query"), "[3].query"),
    ],
)
def test_a_field_is_named_by_its_path(location: tuple[str | int, ...], field: str) -> None:
    assert pointer(location) == field
