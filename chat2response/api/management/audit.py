"""`GET /audit`: who changed which key, and when."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from chat2response.api.management.query_params import asked
from chat2response.api.management.responses import json_answer
from chat2response.api.openapi.components import query, refusals
from chat2response.keys import Audit
from chat2response.keys.audit import MAX_PAGE_SIZE
from chat2response.keys.listing import whole_number

_QUERY = [
    query("limit", "How many lines at most.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}),
    query("cursor", "The next_cursor of the answer before: what follows it."),
]


class AuditLine(BaseModel):
    """One change. It may have failed after this line was written."""

    at: int = Field(description="Epoch seconds.")
    action: str = Field(description="As key.generated.")
    by: str = Field(
        description="`key:<id>`, `token`, `network` (no credential was needed), `shell`, `gateway`."
    )
    origin: str | None = Field(alias="from", description="The address, or the user of a shell.")
    key: str | None = None
    changes: dict[str, Any] | None = None


class AuditLines(BaseModel):
    """Lines, oldest first. `next_cursor` also leads to lines that are yet to come."""

    object: str = "list"
    data: list[AuditLine]
    has_more: bool
    next_cursor: str | None


def audit_routes(audit: Audit) -> APIRouter:
    """The endpoint over one audit."""
    router = APIRouter(tags=["keys"])

    @router.get(
        "/audit",
        operation_id="audit",
        summary="Who changed which key, and when",
        openapi_extra={"parameters": _QUERY},
        responses={200: {"model": AuditLines}, **refusals(400, 503)},
    )
    async def lines(request: Request) -> Response:
        given = asked(request, *(each["name"] for each in _QUERY))
        page = await audit.read(
            cursor=given.get("cursor"), limit=whole_number(given.get("limit", 100), "limit")
        )
        return json_answer(
            {"object": "list", "data": page.lines, "has_more": page.has_more, "next_cursor": page.cursor}
        )

    return router
