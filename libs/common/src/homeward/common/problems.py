"""Errors over HTTP as problem details (RFC 9457): what is wrong, where, and never what was sent."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from .db import is_transient

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "The request is understood but not valid",
    428: "Precondition required",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not available at the moment",
}


class Problem(Exception):
    """An answer of ``status`` with type ``/problems/<slug>``.

    ``errors`` are ``{"field": …, "code": …, "detail": …}`` (with ``row`` for lists) and must not
    quote values.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        authenticate: str | None = None,
        retry_after: int | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(slug)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.extensions = {**extensions, **({"errors": list(errors)} if errors else {})}
        self.headers: dict[str, str] = {}
        if authenticate:
            self.headers["WWW-Authenticate"] = authenticate
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def response(self) -> Response:
        """The HTTP answer."""
        body = {
            "type": f"/problems/{self.slug}",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            **self.extensions,
        }
        return JSONResponse(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, unexpected)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = TITLES.get(error.status_code, "error").lower().replace(" ", "-")
    detail = {404: "There is nothing at this path.", 405: "This path does not take this method."}
    problem = Problem(error.status_code, slug, detail.get(error.status_code, "The request was refused."))
    problem.headers.update(error.headers or {})
    return problem.response()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return Problem(400, "malformed-json", "The body is not valid JSON.").response()
    whole_body = any(item["loc"] == ("body",) for item in found)
    sent = "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
    if whole_body and sent and not is_json(request):
        return Problem(415, "unsupported-media-type", "Send the body as application/json.").response()
    errors = [
        {"field": pointer(item["loc"]), "code": item["type"], "detail": _safe(item)} for item in found[:100]
    ]
    return Problem(422, "invalid-request", "Some fields are not valid; see errors.", errors=errors).response()


async def unexpected(_: Request, error: Exception) -> Response:
    """500, or 503 for what passes by itself; the cause goes to the log, never to the caller."""
    if is_transient(error):
        log.warning("request not served: %s", type(error).__name__)
        return Problem(
            503, "try-again", "A part of the platform is away. Nothing was changed.", retry_after=2
        ).response()
    log.exception("request failed")
    return Problem(500, "unexpected", "The error was logged. Nothing was changed.").response()


_PLACES = frozenset({"body", "query", "path", "header", "cookie"})


def pointer(location: Sequence[str | int]) -> str:
    """A dotted path to a field, below ``body``, ``query``…; positions in square brackets."""
    below = location[1:] if location[:1] and location[0] in _PLACES else location
    names = [part for part in below if part not in {"one", "many"}]  # of a union, not of the field
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in names).lstrip(".") or "body"


def is_json(request: Request) -> bool:
    """Whether a request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    return media_type == "application/json" or media_type.endswith("+json")


def _safe(item: Mapping[str, Any]) -> str:
    """What is wrong, from the kind of error alone: messages of custom checks could quote the value."""
    known = {
        "missing": "This field is required.",
        "extra_forbidden": "This field is not known.",
        "string_unicode": "The text holds characters that are not valid Unicode.",
        "string_too_long": "The text is too long.",
        "enum": "Not one of the values allowed.",
        "literal_error": "Not one of the values allowed.",
        "string_pattern_mismatch": "The text has not the form asked for.",
        "too_long": "Too many items.",
        "too_short": "Too few items.",
    }
    return known.get(item["type"], f"Not valid ({item['type'].replace('_', ' ')}).")
