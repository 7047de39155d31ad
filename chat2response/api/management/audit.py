"""`GET /audit`: who changed which key, and when."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from chat2response.api.management.query_params import read_query
from chat2response.api.management.responses import json_response
from chat2response.api.openapi.components import error_responses, query_parameter
from chat2response.keys import Audit
from chat2response.keys.audit import MAX_PAGE_SIZE
from chat2response.keys.listing import whole_number

_QUERY = [
    query_parameter(
        "limit", "The maximum number of entries.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}
    ),
    query_parameter("cursor", "The next_cursor of the previous page."),
]


class AuditEntry(BaseModel):
    """One change. The entry is written before the change, which may have failed."""

    at: int = Field(description="Epoch seconds.")
    action: str = Field(description="For example key.generated.")
    by: str = Field(
        description="`key:<id>`, `token`, `network` (an allowed address without a token), `shell`, `gateway`."
    )
    origin: str | None = Field(alias="from", description="The client's address, or the user of the shell.")
    key: str | None = None
    changes: dict[str, Any] | None = None


class AuditPage(BaseModel):
    """Entries, oldest first. On the last page, `next_cursor` leads to entries that are added later."""

    object: str = "list"
    data: list[AuditEntry]
    has_more: bool
    next_cursor: str | None


def audit_routes(audit: Audit) -> APIRouter:
    """The endpoint that reads `audit`."""
    router = APIRouter(tags=["keys"])

    @router.get(
        "/audit",
        operation_id="audit",
        summary="Who changed which key, and when",
        openapi_extra={"parameters": _QUERY},
        responses={200: {"model": AuditPage}, **error_responses(400, 503)},
    )
    async def lines(request: Request) -> Response:
        params = read_query(request, *(each["name"] for each in _QUERY))
        page = await audit.read(
            cursor=params.get("cursor"), limit=whole_number(params.get("limit", 100), "limit")
        )
        return json_response(
            {"object": "list", "data": page.lines, "has_more": page.has_more, "next_cursor": page.cursor}
        )

    return router
