"""`GET /status`: the endpoint for the document of `status.py`."""

from collections.abc import Mapping
from typing import Any, Protocol

import fastapi
from fastapi import APIRouter, Response

from chat2response.api.management.health import StoreHealth
from chat2response.api.management.middleware import Guard, outer_request
from chat2response.api.management.responses import json_response
from chat2response.api.management.status import About, State, details, status
from chat2response.api.openapi.components import json_content, ref
from chat2response.errors import BridgeError
from chat2response.observe.metrics import Metrics
from chat2response.observe.redact import redact
from chat2response.wire.ids import Clock


class StatusParts(Protocol):
    """What the status endpoint needs."""

    @property
    def about(self) -> About: ...
    @property
    def health(self) -> StoreHealth: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def started_at(self) -> float: ...
    @property
    def clock(self) -> Clock: ...


def status_route(parts: StatusParts, document: Mapping[str, Any], guard: Guard | None) -> APIRouter:
    """The endpoint. A request that passes `guard` gets the details too; None: no request does.

    `document` may be filled later.
    """
    router = APIRouter(tags=["operation"])
    about = parts.about

    @router.get(
        "/status",
        operation_id="status",
        summary="Version, endpoints, modes and features; for the admin plane also addresses and errors",
        responses={200: {"content": json_content(ref("Status"))}},
    )
    async def show_status(request: fastapi.Request) -> Response:
        error = await parts.health.fault() if about.needs_store else None
        state: State = "unavailable" if error else "ok" if about.needs_store else "off"
        uptime = parts.clock() - parts.started_at
        result = status(about, list(document["paths"]), uptime, parts.metrics.in_flight(), state)
        if guard is not None and await _passes(guard, request):
            store_error = redact(error.internal or error.message) if error else None
            result["details"] = details(about, store_error)
        return json_response(result)

    return router


async def _passes(guard: Guard, request: fastapi.Request) -> bool:
    try:
        await guard(outer_request(request.scope), None)
    except BridgeError:
        return False
    return True
