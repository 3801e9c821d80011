"""What intake refuses: with the reason and the place, and without a word of what was sent."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey

from harness.world import World
from homeward.common import http as faces
from homeward.common import jose
from homeward.common.logs import JsonLines
from homeward.common.parts import Service
from homeward.common.tokens import IssuerVerifier
from homeward.intake.app import create_service
from homeward.intake.settings import Settings

from .conftest import ROUTES, counts, send, tables

JSON = {"content-type": "application/json"}
WRONG: list[tuple[bytes | dict[str, Any] | list[Any], str]] = [
    ({"full_name": "MARKER", "shoe_size": "MARKER"}, "shoe_size"),
    ({"full_name": ["MARKER"]}, "full_name"),
    ({"full_name": "MARKER", "kind": "MARKER"}, "kind"),
    ({"full_name": "MARKER", "age": True}, "age"),
    ({"full_name": "MARKER", "age": 25.5}, "age"),
    ({"full_name": "MARKER", "age": {"MARKER": 1}}, "age"),
    ({"full_name": "MARKER", "alternate_names": "MARKER"}, "alternate_names"),
    ({"full_name": "MARKER", "alternate_names": ["a", 1]}, "alternate_names[1]"),
    ({"full_name": "MARKER\x00"}, "full_name"),
    ({"full_name": "a", "narrative": "MARKER\x00"}, "narrative"),
    ({"full_name": "a", "citizenship": ["CHN", "MARKER\x00"]}, "citizenship[1]"),
    (b'{"full_name": "MARKER \\ud800"}', "full_name"),
    (b'[{"full_name": "MARKER"}, {"full_name": "MARKER \\udfff"}]', "[1].full_name"),
    (b'{"full_name": "a", "narrative": "MARKER \\ud800"}', "narrative"),
    ({}, "full_name"),
    ([], "body"),
    ([{"full_name": "a"}, "MARKER"], "[1]"),
    (b'"MARKER"', "body"),
    (b"null", "body"),
]


async def test_what_is_not_valid_is_named_by_its_field_and_not_quoted(
    world: World, service: Service, http: httpx.AsyncClient
) -> None:
    for body, field in WRONG:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await http.post("/v1/reports", content=content, headers=JSON)
        assert answer.status_code == 422, body
        assert answer.headers["content-type"] == "application/problem+json"
        fields = {error["field"] for error in answer.json()["errors"]}
        assert fields == {field} or fields == {f"{field}.int", f"{field}.function-after[_no_nul(), str]"}, (
            body
        )
        assert "MARKER" not in answer.text or field == "MARKER", body
    assert await world.said(service) == []


async def test_a_field_whose_name_is_no_text_is_refused_too(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/reports", content=b'{"full_name": "a", "\\ud800": 1}', headers=JSON)
    assert answer.status_code == 422


async def test_what_is_no_json_is_400(http: httpx.AsyncClient) -> None:
    for content in (b"{", b'{"full_name": "MARKER"', b"\xff\xfe", b"", b"NaN,", b"[" * 100_000):
        answer = await http.post("/v1/reports", content=content, headers=JSON)
        assert answer.status_code in ({400, 422} if not content else {400}), content[:30]
        assert "MARKER" not in answer.text


async def test_a_number_beyond_all_measure_is_no_crash(http: httpx.AsyncClient) -> None:
    huge = b'{"full_name": "a", "age": ' + b"9" * 5_000 + b"}"
    assert (await http.post("/v1/reports", content=huge, headers=JSON)).status_code == 400
    large = {"full_name": "a", "age": 10**30}
    assert (await http.post("/v1/reports", json=large)).json()["errors"][0]["code"] == "unreadable_age"


async def test_another_media_type_is_415(http: httpx.AsyncClient) -> None:
    for media_type in ("text/plain", "text/csv", "application/x-www-form-urlencoded", "application/xml"):
        headers = {"content-type": media_type}
        submitted = await http.post("/v1/reports", content=b'{"full_name": "a"}', headers=headers)
        imported = await http.post("/v1/reports/import", content=b"full_name\na\n", headers=headers)
        assert (submitted.status_code, imported.status_code) == (415, 415), media_type
        assert imported.json()["detail"] == "Send the body as multipart/form-data."
    as_json = await http.post("/v1/reports/import", json={"file": "full_name"})
    assert as_json.status_code == 415


async def test_a_form_without_a_file_is_422(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/reports/import", files={"list": (None, "January")})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["file"]
    text = await http.post("/v1/reports/import", files={"file": (None, "MARKER")})
    assert text.status_code == 422
    assert "MARKER" not in text.text


async def test_a_body_of_20_mb_is_413(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/reports", content=b" " * (20 << 20), headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    assert (await send(http, b"full_name\n" + b"a\n" * (10 << 20))).status_code == 413


async def test_a_body_that_does_not_announce_its_length_is_not_read_to_its_end(
    http: httpx.AsyncClient,
) -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 20:
            read += 1
            yield b" " * (1 << 20)

    answer = await http.post("/v1/reports", content=chunks(), headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    assert read < 12


async def test_idempotency_keys_that_cannot_be_kept_are_refused(http: httpx.AsyncClient) -> None:
    for key in ("", "x" * 201, "with space"):
        answer = await http.post("/v1/reports", json={"full_name": "a"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 422, key
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_without_the_scope_it_is_403_and_without_a_token_401(world: World, service: Service) -> None:
    async with world.client(service, "persons:read") as other, world.client(service) as nobody:
        for method, path in ROUTES:
            refused = await other.request(method, path)
            assert (refused.status_code, refused.json()["type"]) == (403, "/problems/scope-missing")
            unknown = await nobody.request(method, path)
            assert (unknown.status_code, unknown.json()["type"]) == (401, "/problems/token-missing")
            assert unknown.headers["www-authenticate"].endswith("Bearer")


class TestTokens:
    """Tokens of the platform's issuer and for the platform, while they last."""

    ISSUER = "https://homeward.example"

    def token(self, key: OKPKey, **changed: Any) -> str:
        claims = {
            "iss": self.ISSUER, "aud": self.ISSUER, "exp": int(time.time()) + 300, "client_id": "worker",
            "org": "family-ngo", "role": "staff", "scope": "reports:write",
        } | changed  # fmt: skip
        return jose.sign({name: value for name, value in claims.items() if value is not None}, key)

    async def test_any_other_is_401(self, world: World) -> None:
        key = jose.new_key()

        async def source() -> dict[str, Any]:
            return {"keys": [jose.public_jwk(key)]}

        def create(settings: Settings, *, verifier: object, **outside: Any) -> Service:
            return create_service(settings, verifier=IssuerVerifier(self.ISSUER, source), **outside)

        service = await world.start(create, Settings)
        wrong = {
            "expired": self.token(key, exp=int(time.time()) - 60),
            "no end": self.token(key, exp=None),
            "other audience": self.token(key, aud="https://elsewhere.example"),
            "other issuer": self.token(key, iss="https://elsewhere.example"),
            "other key": self.token(jose.new_key()),
            "no client": self.token(key, client_id=None),
            "no token": "MARKER",
        }
        transport = httpx.ASGITransport(faces.create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            async def post(token: str) -> httpx.Response:
                headers = {"Authorization": f"Bearer {token}"}
                return await client.post("/v1/reports", json={"full_name": "a"}, headers=headers)

            assert (await post(self.token(key))).status_code == 201
            for why, token in wrong.items():
                answer = await post(token)
                assert (answer.status_code, answer.json()["type"]) == (401, "/problems/token-refused"), why
                assert "invalid_token" in answer.headers["www-authenticate"]
                assert "MARKER" not in answer.text


class TestTheKeyringAway:
    """Without keys nothing is taken: what could not be sealed is not written."""

    @pytest.mark.parametrize("warm", [False, True], ids=["from the start", "in between"])
    async def test_503_and_nothing_is_written(
        self, world: World, service: Service, http: httpx.AsyncClient, warm: bool
    ) -> None:
        if warm:
            await http.post("/v1/reports", json={"full_name": "before"})
        before = await tables(world, service)
        world.keyring.away = True
        headers = {"Idempotency-Key": "k"}
        for answer in (
            await http.post("/v1/reports", json={"full_name": "MARKER"}, headers=headers),
            await send(http, [{"full_name": "MARKER"}], headers=headers),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "2"
            assert answer.json()["type"] == "/problems/try-again"
        assert await tables(world, service) == before
        world.keyring.away = False
        again = await http.post("/v1/reports", json={"full_name": "MARKER"}, headers=headers)
        assert counts(again) == (1, 1, 0, 0), "the same request succeeds once the keyring is back"


async def test_a_transaction_that_fails_at_its_end_leaves_nothing(
    world: World, service: Service, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await world.execute(service, "ALTER TABLE reports ADD CHECK (organisation <> 'family-ngo')")
    before = await tables(world, service)
    answer = await http.post("/v1/reports", json={"full_name": "MARKER"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 500
    assert "MARKER" not in answer.text + "".join(JsonLines("intake").format(r) for r in caplog.records)
    assert await tables(world, service) == before
