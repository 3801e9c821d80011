"""What a service's OpenAPI document (3.1) says beyond what FastAPI knows: how each operation may refuse, and
an example of whatever is sent and answered."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from .examples import example_of
from .problems import MEDIA_TYPE, TITLES

Json = dict[str, Any]
PROBLEM: Json = {
    "title": "Problem",
    "description": "RFC 9457. `type` stays what it is for programs, `detail` is for people.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^/problems/"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "What is wrong and where; never what was sent.",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
    },
}
_EXAMPLES: Mapping[int, tuple[str, str]] = {
    400: ("malformed-json", "The body is not valid JSON."),
    401: ("token-missing", "This request needs an access token."),
    403: ("scope-missing", "This needs the scope events:read."),
    404: ("not-found", "There is no such thing here."),
    406: ("not-acceptable", "There is no such form of it."),
    409: ("conflict", "What is there does not allow this."),
    410: ("person-erased", "This person was erased."),
    412: ("changed-meanwhile", "It has changed since you read it."),
    413: ("too-large", "The body is larger than 10485760 bytes."),
    415: ("unsupported-media-type", "Send the body as application/json."),
    422: ("invalid-request", "Some fields are not valid; see errors."),
    428: ("if-match-missing", "Say by If-Match which state you have read."),
    429: ("quota-exceeded", "This partner has made 1200 requests this minute."),
    500: ("unexpected", "The error was logged. Nothing was changed."),
    503: ("try-again", "A part of the platform is away. Nothing was changed."),
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may refuse so, beside the ways in which all of its kind may."""
    return {status: {"description": TITLES[status]} for status in statuses}


def install(app: FastAPI) -> None:
    """Have ``app.openapi()`` give the completed document."""
    generated: Callable[[], Json] = app.openapi
    made: list[Json] = []

    def complete() -> Json:
        if not made:
            made.append(completed(generated()))
        return made[0]

    app.openapi = complete  # type: ignore[method-assign]


def completed(document: Json) -> Json:
    """The document with each operation's refusals and examples."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    document["components"]["responses"] = {_name(status): _answer(status) for status in sorted(_EXAMPLES)}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, path, schemas)
    return document


def _complete(operation: Json, path: str, schemas: Json) -> None:
    operation["summary"] = re.split(r"[.;:](?:\s|$)", operation.get("description", ""))[0].replace("\n", " ")
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status in {*_refused(operation, path), *map(int, responses)}:
        if status >= 400 and not responses.get(str(status), {}).get("content"):
            responses[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    operation["responses"] = dict(sorted(responses.items()))
    sent = operation.get("requestBody", {})
    for content in (sent, *responses.values()):
        for media in content.get("content", {}).values():
            if media.get("schema") and "example" not in media:
                media["example"] = example_of(media["schema"], schemas)


def _refused(operation: Json, path: str) -> Iterator[int]:
    """As any operation of this kind may: all may fail, and so on."""
    yield from (500, 503)
    if "security" in operation:
        yield from (401, 403, 429)
    if "requestBody" in operation:
        yield from (400, 413, 415, 422)
    if operation.get("parameters"):
        yield 422
    if "{" in path:
        yield 404


def _name(status: int) -> str:
    return f"problem-{status}"


def _answer(status: int) -> Json:
    slug, detail = _EXAMPLES[status]
    example: Json = {"type": f"/problems/{slug}", "title": TITLES[status], "status": status, "detail": detail}
    if status == 422:
        example["errors"] = [{"field": "limit", "code": "int_parsing", "detail": "Not valid (int parsing)."}]
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}
