"""A body over the limit is refused: by its announced length, or as it comes, on a real socket too."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from .asking import on_a_socket, without_database
from .test_http_errors import check

JSON = {"content-type": "application/json"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
FILE = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'
HEAD = b"POST /v1/checks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
LARGE = {
    "JSON": ("/v1/checks", JSON, b'{"text": "' + b"x" * 20_000 + b'"}'),
    "no JSON": ("/v1/checks", JSON, b"x" * 20_000),
    "another type": ("/v1/checks", {"content-type": "text/plain"}, b"x" * 20_000),
    "a file": ("/v1/files", MULTIPART, FILE + b"x" * 20_000 + b"\r\n--b--\r\n"),
    "many parts": ("/v1/files", MULTIPART, (FILE + b"x\r\n") * 300 + b"--b--\r\n"),
}


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1_000):
        yield body[start : start + 1_000]


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("case", LARGE)
async def test_a_large_body(case: str, chunked: bool) -> None:
    path, headers, body = LARGE[case]
    async with on_a_socket(without_database()) as client:
        response = await client.post(path, content=chunks(body) if chunked else body, headers=headers)
        check(response, 413, "too-large")
        assert (await client.post("/v1/checks", json={"text": "x"})).status_code == 200


async def test_a_large_body_of_which_nothing_is_read(caplog: pytest.LogCaptureFixture) -> None:
    async with on_a_socket(without_database()) as client:
        check(await client.post("/v1/nothing", content=chunks(b"x" * 20_000)), 404, "not-found")
        assert (await client.post("/v1/checks", json={"text": "x"})).status_code == 200


async def test_a_body_just_within_the_limit_passes() -> None:
    body = b'{"text": "x"}'.ljust(10_000)
    async with on_a_socket(without_database()) as client:
        for content in (body, chunks(body)):
            assert (await client.post("/v1/checks", content=content, headers=JSON)).status_code == 200
        for content in (body + b" ", chunks(body + b" ")):
            check(await client.post("/v1/checks", content=content, headers=JSON), 413, "too-large")


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"9" * 30, b"0x10"])
async def test_a_length_that_is_none(length: bytes) -> None:
    """The server answers such nonsense itself, or we do; nothing is read, nothing hangs."""
    async with on_a_socket(without_database()) as client:
        host, port = client.base_url.host, client.base_url.port
        reader, send = await asyncio.open_connection(host, port)
        send.write(HEAD + length + b"\r\n\r\n{}")
        status = await asyncio.wait_for(reader.readline(), 10)
        assert status.split()[1] in {b"400", b"413"}
        send.close()
        await send.wait_closed()


async def test_a_client_that_goes_away_in_the_middle_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with on_a_socket(without_database()) as client:
        _, send = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        send.write(HEAD + b'900\r\n\r\n{"text": "')
        await send.drain()
        send.close()
        await send.wait_closed()
        assert (await client.post("/v1/checks", json={"text": "x"})).status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_error_on_a_real_socket_is_a_problem_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with on_a_socket(without_database()) as client:
        check(await client.post("/v1/fail/somehow"), 500, "unexpected")
        check(await client.post("/v1/fail/keyring"), 503, "try-again")
    assert "ASGI" not in caplog.text
