"""The FastAPI application: keys, metrics, status, documents. What is asked rarely, so it may load late."""

from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Response

from chat2response.api.admin import AdminRules
from chat2response.api.admin_keys import AdminGuard
from chat2response.api.audit import audit_routes
from chat2response.api.describe import refusals
from chat2response.api.documents import document_routes
from chat2response.api.door import Door
from chat2response.api.key_life import key_life_routes
from chat2response.api.keys import key_routes
from chat2response.api.openapi import Face, complete
from chat2response.api.status import NAME
from chat2response.api.status_route import StatusParts, status_route
from chat2response.api.strays import stray_handlers
from chat2response.api.usage import usage_routes
from chat2response.keys import KeyRing
from chat2response.keys.usage import UsageBook
from chat2response.observe.metrics import Metrics

# FastAPI would follow variables of the environment here, and send what passes to somebody.
_SILENT: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)


class Parts(StatusParts, Protocol):
    """What the management endpoints are made of; `compose.Services` is one."""

    @property
    def keys(self) -> KeyRing: ...
    @property
    def usage(self) -> UsageBook: ...
    @property
    def admin(self) -> AdminRules: ...


def build_management(parts: Parts, face: Face = "whole") -> FastAPI:
    """The application. It has no lifespan of its own, and answers every path it does not know with 404."""
    document: dict[str, Any] = {}  # filled below, when the routes that are in it exist
    app = FastAPI(
        title=NAME,
        version=parts.about.version,
        openapi_url=None,  # FastAPI's pages would bring scripts of other origins beside the admin plane
        redirect_slashes=False,
        exception_handlers=stray_handlers(document),
        telemetry=_SILENT,
    )
    guard = None if face == "data" else AdminGuard(parts.admin, parts.keys, parts.clock)
    if guard is not None:
        admin = APIRouter(responses=refusals(401, 403, 429))
        admin.include_router(key_routes(parts.keys, parts.about.auth_mode))
        admin.include_router(key_life_routes(parts.keys, parts.about.auth_mode))
        admin.include_router(audit_routes(parts.keys.audit))
        admin.include_router(usage_routes(parts.usage))
        admin.include_router(_metrics_route(parts.metrics))
        app.include_router(admin)
    app.include_router(status_route(parts, document, guard))
    app.include_router(document_routes(document))
    document |= complete(app.openapi(), face)
    app.add_middleware(Door, metrics=parts.metrics, paths=document["paths"], guard=guard)
    return app


def _metrics_route(metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Counters for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def exposition() -> Response:
        text, media_type = metrics.render()
        return Response(text, headers={"content-type": media_type, "cache-control": "no-store"})

    return router
