"""The token endpoint and the issuer's published keys."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from homeward.common.http import ServiceParts
from homeward.common.parts import Parts
from homeward.common.tokens import IssuerUnreachable

from ..federation import Federation
from ..issuer import ASSERTION_TYPE, Denied, Issuer
from .own import TheFederation, TheIssuer

router = APIRouter(tags=["authorisation"])
_NO_STORE = {"Cache-Control": "no-store"}
_TEXT = {"type": "string"}
_FORM = {
    "parameters": [
        {
            "name": "DPoP",
            "in": "header",
            "required": False,
            "description": "A proof (RFC 9449) by the key that the token is to be bound to.",
            "schema": _TEXT,
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "client_assertion_type": {"const": ASSERTION_TYPE},
                        "client_assertion": _TEXT,
                        "scope": _TEXT,
                    },
                }
            }
        },
    },
}


class Granted(BaseModel):
    """RFC 6749 §5.1; ``DPoP`` where the token is bound to the key of the proof (RFC 9449 §5)."""

    access_token: str = Field(examples=["eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiYXQrand0In0.…"])
    token_type: Literal["DPoP", "Bearer"]
    expires_in: int = Field(description="Seconds.", examples=[300])
    scope: str = Field(examples=["events:read"])


class Refusal(BaseModel):
    """RFC 6749 §5.2, not a problem: OAuth clients know this form."""

    error: str = Field(examples=["invalid_client"])
    error_description: str = Field(examples=["Authenticate with private_key_jwt."])


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Granted},
    400: {"model": Refusal},
    401: {"model": Refusal},
    503: {"model": Refusal},
}
_AWAY = Denied("temporarily_unavailable", 503, "Who vouches for this client cannot be reached.")
_FIELDS = ("grant_type", "client_assertion_type", "client_assertion", "scope")
_LONGEST = 10_000


@router.post("/oauth/token", openapi_extra=_FORM, responses=_ANSWERS)
async def token(
    request: Request, parts: ServiceParts, issuer: TheIssuer, federation: TheFederation
) -> Response:
    """An access token for a client that proves itself by ``private_key_jwt`` (RFC 7523), or for which an
    issuer vouches that the operator trusts: then its access token for us is the assertion. With a DPoP proof
    (RFC 9449) it is bound to the key of that proof."""
    nonce = issuer.nonces(parts.clock().timestamp())[0]
    answer = await _answer(request, parts, issuer, federation)
    if request.headers.get("dpop") is not None:
        answer.headers["DPoP-Nonce"] = nonce
    return answer


async def _answer(request: Request, parts: Parts, issuer: Issuer, federation: Federation) -> Response:
    form = await _form(request)
    if form is None:
        return _refused(Denied("invalid_request", 400, "Send one form (x-www-form-urlencoded)."))
    grant_type, assertion = form.get("grant_type"), form.get("client_assertion")
    if not grant_type:
        return _refused(Denied("invalid_request", 400, "grant_type is missing."))
    if grant_type != "client_credentials":
        return _refused(Denied("unsupported_grant_type", 400, "Only client_credentials is supported."))
    if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
        return _refused(Denied("invalid_client", 401, "Authenticate with private_key_jwt."))
    try:
        now = int(parts.clock().timestamp())
        vouched = await federation.vouched(assertion, issuer.audiences, now)
    except IssuerUnreachable:
        return _refused(_AWAY)
    async with parts.transaction("client:unknown") as tx:
        proofs = request.headers.getlist("dpop")
        granted = await issuer.grant(assertion, form.get("scope"), proofs, tx, vouched)
    return _refused(granted) if isinstance(granted, Denied) else JSONResponse(granted, headers=_NO_STORE)


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of the request; None if it is no form, or one field comes twice, or is endless."""
    try:
        form = await request.form(max_files=0, max_fields=20)
    except HTTPException:
        return None
    found: dict[str, str] = {}
    for name, value in form.multi_items():
        if name not in _FIELDS:
            continue
        if name in found or not isinstance(value, str) or len(value) > _LONGEST:
            return None
        found[name] = value
    return found


@router.get("/oauth/jwks")
async def jwks(issuer: TheIssuer, parts: ServiceParts) -> dict[str, Any]:
    """The keys that verify access tokens (RFC 7517), the nonces that proofs may carry, and the clients'
    keys (by thumbprint) whose tokens are refused."""
    return await issuer.published(parts.engine, parts.clock())


@router.get("/.well-known/oauth-authorization-server")
async def metadata(issuer: TheIssuer) -> dict[str, Any]:
    """The issuer's metadata (RFC 8414)."""
    return issuer.metadata()


def _refused(denied: Denied) -> Response:
    body = {"error": denied.error, "error_description": denied.description}
    return JSONResponse(body, denied.status, headers=_NO_STORE)
