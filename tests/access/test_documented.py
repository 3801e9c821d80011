"""Every operation of every service, sent what its OpenAPI document allows and what it does not: each answer
is one that the document tells of, none is a 500, and no refusal is anything but a problem."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from harness.everybody import URL, Somebody, open_house
from harness.postgres import Postgres
from homeward.common.envelope import topic_of
from homeward.exchange.domain import ROLE_SCOPES
from homeward.onebox.edition import NAMES
from homeward.onebox.interfaces import documents

API = Path(__file__).parents[2] / "docs" / "api"
EVERYTHING = " ".join(sorted({scope for scopes in ROLE_SCOPES.values() for scope in scopes}))
ASKING = (
    Somebody("operator", "operator", claims={"scope": EVERYTHING}),
    Somebody("ngo", claims={"scope": EVERYTHING}),
)
EACH = settings(
    max_examples=6, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
OF_OAUTH = "/oauth/token"
"""Refuses in OAuth's own form (RFC 6749 §5.2)."""


class Asked:
    """The platform, asked from outside its event loop."""

    def __init__(self, runner: asyncio.Runner, postgres: Postgres, folder: Path) -> None:
        self._runner = runner
        self._open = AsyncExitStack()
        self._house = runner.run(self._open.enter_async_context(open_house(postgres, folder)))

    def operations(self) -> Iterator[tuple[str, Any]]:
        for service, app in self._house.apps.items():
            for found in schemathesis.openapi.from_dict(app.openapi()).get_all_operations():
                assert isinstance(found, Ok)
                yield service, found.ok()

    def send(self, service: str, case: Any, who: Somebody) -> httpx.Response:
        case.query.pop("wait", None)  # for an event, up to half a minute
        if case.path.endswith("/stream") and re.fullmatch(r"[0-9]+", str(case.query.get("seconds", 1))):
            case.query["seconds"] = 1  # or its answer has no end
        case.cookies.clear()
        sent = requests.Request(**case.as_transport_kwargs(base_url=URL)).prepare()
        headers = {k: str(v) for k, v in sent.headers.items() if k.lower() not in {"dpop", "authorization"}}
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        path = str(sent.url).removeprefix(URL)
        answer = self._house.ask(who, service, str(sent.method), path, more=headers, content=body)
        return self._runner.run(answer)

    def close(self) -> None:
        self._runner.run(self._open.aclose())


@pytest.fixture
def asked(postgres: Postgres, tmp_path: Path) -> Iterator[Asked]:
    with asyncio.Runner() as runner:
        asked = Asked(runner, postgres, tmp_path)
        yield asked
        asked.close()


@pytest.mark.timeout(600)
def test_every_answer_is_one_that_the_document_tells_of(asked: Asked) -> None:
    wrong: dict[str, str] = {}
    for service, operation in asked.operations():
        for who in ASKING:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _try(asked, service, operation, who, mode, wrong)
    assert not wrong, "\n".join(f"{told}: {answer}" for told, answer in sorted(wrong.items()))


def _try(
    asked: Asked, service: str, operation: Any, who: Somebody, mode: GenerationMode, wrong: dict[str, str]
) -> None:
    @EACH
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = asked.send(service, case, who)
        documented = operation.definition.raw["responses"]
        told = f"{operation.method.upper()} {operation.path}: {answer.status_code}"
        if answer.status_code == 500 or str(answer.status_code) not in documented:
            wrong.setdefault(told, answer.text[:300])
        elif answer.status_code >= 400 and operation.path != OF_OAUTH:
            assert answer.headers["content-type"] == "application/problem+json", told
            assert answer.json()["status"] == answer.status_code, told

    with suppress(Unsatisfiable):  # nothing can be wrong with what has no parts
        ask()


def test_the_committed_documents_are_valid() -> None:
    document = documents()["openapi.json"]
    OpenAPIV31SpecValidator(json.loads(json.dumps(document))).validate()


def test_everything_sent_and_answered_has_an_example_that_its_schema_allows() -> None:
    document = documents()["openapi.json"]
    shown = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            contents = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in [m for c in contents for m in c.get("content", {}).values() if m.get("schema")]:
                schema = media["schema"] | {"components": document["components"]}
                wrong = jsonschema.Draft202012Validator(schema).iter_errors(media["example"])
                assert [error.message for error in wrong] == [], f"{method} {path}"
                shown += 1
    assert shown > 100


def test_the_topics_document_refers_to_what_is_there() -> None:
    document = documents()["asyncapi.json"]
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        if reference.startswith("#/"):
            found: Any = document
            for name in reference.removeprefix("#/").split("/"):
                found = found[name]
        else:
            assert (API / reference).is_file(), reference
    assert {c["address"] for c in document["channels"].values()} == {topic_of(name) for name in NAMES}
