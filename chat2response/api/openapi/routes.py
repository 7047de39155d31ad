"""`/openapi.json` and `/docs`: the OpenAPI document as JSON and as a page."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from chat2response.api.management.responses import json_response
from chat2response.api.openapi.components import json_content
from chat2response.api.openapi.docs_page import base_of, page

# The page shares its origin with the admin plane, so nothing on it may run.
# Its examples contain the request's host, so no cache may serve it to another reader.
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def document_routes(document: Mapping[str, Any]) -> APIRouter:
    """Both endpoints; `document` may be filled after this call."""
    router = APIRouter(tags=["documents"])

    @router.get(
        "/openapi.json",
        operation_id="openapi_document",
        summary="The OpenAPI document of this API",
        responses={200: {"content": json_content({"type": "object"})}},
    )
    async def openapi_document() -> Response:
        return json_response(document)

    @router.get(
        "/docs",
        operation_id="docs_page",
        summary="The documentation of this API as a page",
        response_class=HTMLResponse,
    )
    async def docs_page(request: Request) -> Response:
        headers = request.headers
        base = base_of(headers.get("x-forwarded-proto") or request.url.scheme, headers.get("host"))
        return HTMLResponse(page(document, base), headers=_HEADERS)

    return router
