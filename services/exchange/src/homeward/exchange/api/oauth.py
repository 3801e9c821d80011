"""The token endpoint and the issuer's published keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import JSONResponse, Response

from homeward.common.http import ServiceParts

from ..issuer import ASSERTION_TYPE, TokenDenied
from .own import TheIssuer

router = APIRouter(tags=["authorisation"])
_NO_STORE = {"Cache-Control": "no-store"}


@router.post("/oauth/token")
async def token(
    parts: ServiceParts,
    issuer: TheIssuer,
    grant_type: Annotated[str, Form(max_length=100)],
    client_assertion_type: Annotated[str, Form(max_length=200)] = "",
    client_assertion: Annotated[str, Form(max_length=10_000)] = "",
    scope: Annotated[str | None, Form(max_length=1_000)] = None,
) -> Response:
    """An access token for a client that proves itself by ``private_key_jwt`` (RFC 7523)."""
    if grant_type != "client_credentials":
        return _refused("unsupported_grant_type", 400, "Only client_credentials is supported.")
    if client_assertion_type != ASSERTION_TYPE or not client_assertion:
        return _refused("invalid_client", 401, "Authenticate with private_key_jwt.")
    try:
        async with parts.transaction("client:unknown") as tx:
            granted = await issuer.grant(client_assertion, scope, tx)
    except TokenDenied as denied:
        return _refused(*denied.args)
    return JSONResponse(granted, headers=_NO_STORE)


@router.get("/oauth/jwks")
async def jwks(issuer: TheIssuer) -> dict[str, Any]:
    """The keys that verify access tokens."""
    return issuer.jwks()


@router.get("/.well-known/oauth-authorization-server")
async def metadata(issuer: TheIssuer) -> dict[str, Any]:
    """The issuer's metadata (RFC 8414)."""
    return issuer.metadata()


def _refused(error: str, status: int, description: str) -> Response:
    body = {"error": error, "error_description": description}
    return JSONResponse(body, status, headers=_NO_STORE)
