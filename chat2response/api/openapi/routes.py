"""`/openapi.json` and `/docs`: the same document for machines and for people."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from chat2response.api.management.responses import json_answer
from chat2response.api.openapi.components import json_content
from chat2response.api.openapi.docs_page import base_of, page

# The page is text and style. Nothing on it may run: it has the origin of the admin plane.
# Its examples name the host that it was asked at: what one reader got is not for the next.
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def document_routes(document: Mapping[str, Any]) -> APIRouter:
    """Both; `document` may be filled after this call."""
    router = APIRouter(tags=["documents"])

    @router.get(
        "/openapi.json",
        operation_id="openapi_document",
        summary="This API as an OpenAPI document",
        responses={200: {"content": json_content({"type": "object"})}},
    )
    async def for_machines() -> Response:
        return json_answer(document)

    @router.get(
        "/docs",
        operation_id="docs_page",
        summary="This API as a page to read",
        response_class=HTMLResponse,
    )
    async def for_people(request: Request) -> Response:
        headers = request.headers
        base = base_of(headers.get("x-forwarded-proto") or request.url.scheme, headers.get("host"))
        return HTMLResponse(page(document, base), headers=_HEADERS)

    return router
