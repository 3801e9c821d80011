"""Between a service and the keyring there is a real wire, and sometimes nobody at its end."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import OKPKey

from homeward.common import http, jose
from homeward.common.keyring_http import HttpKeyring
from homeward.common.keys import Erased, KeyringUnavailable
from homeward.common.main import listen, serve
from homeward.common.parts import Service


async def test_keys_cross_a_socket(service: Service, secrets: Path) -> None:
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(http.create_app(service), listening, stop))
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        keyring = HttpKeyring(url, "intake", key(secrets), client=client)
        made = await keyring.class_keys(["a", "b"], create=True)
        assert {len(k) for keys in made.values() if not isinstance(keys, Erased) for k in keys.values()} == {
            32
        }
        assert await keyring.class_keys(["a", "b", "c"], create=False) == made
    stop.set()
    await serving
    listening.close()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        with pytest.raises(KeyringUnavailable, match="ConnectError"):
            await HttpKeyring(url, "intake", key(secrets), client=client).class_keys(["a"], create=False)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_whoever_answers_that_he_cannot_is_waited_for(secrets: Path, status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status))
    async with httpx.AsyncClient(transport=transport, base_url="http://keyring") as client:
        keyring = HttpKeyring("http://keyring", "intake", key(secrets), client=client)
        with pytest.raises(KeyringUnavailable, match=str(status)):
            await keyring.class_keys(["a"], create=True)


async def test_asking_for_nobody_asks_nobody(secrets: Path) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", trust_env=False) as client:
        keyring = HttpKeyring("http://127.0.0.1:9", "intake", key(secrets), client=client)
        assert await keyring.class_keys([], create=True) == {}


def key(secrets: Path) -> OKPKey:
    return jose.key_of(json.loads((secrets / "intake.jwk").read_text()))
