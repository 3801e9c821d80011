"""``/docs``: the OpenAPI document for people, from files that come with a package: nothing is asked for
elsewhere, so it can be read in a network that ends at the door."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response

from .problems import Problem

router = APIRouter(include_in_schema=False)
_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_SHOWN: dict[str, Any] = {
    "validatorUrl": None,  # else the document is sent to a validator elsewhere
    "supportedSubmitMethods": [],  # a browser has no key to make proofs with
    "deepLinking": True,
    "filter": True,
}


@router.get("/docs")
async def page() -> HTMLResponse:
    """Swagger UI over this server's ``/openapi.json``."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Homeward: HTTP interface",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon-32x32.png",
        swagger_ui_parameters=_SHOWN,
    )


@router.get("/docs/{name}")
async def part(name: str) -> Response:
    """A file of Swagger UI."""
    if name not in _TYPES:
        raise Problem(404, "not-found", "There is nothing at this path.")
    content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    return Response(content, media_type=_TYPES[name], headers={"Cache-Control": "max-age=86400"})
