"""Builds the FastAPI application: keys, usage, audit, metrics, status, documentation."""

from collections.abc import Iterator
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Response

from chat2response.api.admin.access_table import PUBLIC, Access, AccessTable, paths_of
from chat2response.api.admin.guard import AdminGuard
from chat2response.api.admin.rules import AdminRules
from chat2response.api.http.cors import Cors
from chat2response.api.management.audit import audit_routes
from chat2response.api.management.key_lifecycle import key_lifecycle_routes
from chat2response.api.management.keys import key_routes
from chat2response.api.management.middleware import ManagementMiddleware
from chat2response.api.management.status import NAME
from chat2response.api.management.status_route import StatusParts, status_route
from chat2response.api.management.unknown_routes import unknown_path, unknown_route_handlers
from chat2response.api.management.usage import usage_routes
from chat2response.api.openapi.components import error_responses
from chat2response.api.openapi.document import Plane, complete
from chat2response.api.openapi.routes import document_routes
from chat2response.keys import KeyService, KeyVerifier
from chat2response.observe.metrics import Metrics
from chat2response.quota.usage_log import UsageLog

# Otherwise environment variables could make FastAPI send telemetry to a third party.
_SILENT: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)


class Parts(StatusParts, Protocol):
    """What the management endpoints need; `compose.Services` implements it."""

    @property
    def keys(self) -> KeyService: ...
    @property
    def verifier(self) -> KeyVerifier: ...
    @property
    def usage(self) -> UsageLog: ...
    @property
    def admin(self) -> AdminRules: ...


def build_management(parts: Parts, plane: Plane = "whole", cors: Cors | None = None) -> FastAPI:
    """Builds the application. It has no lifespan of its own, and answers unknown paths with 404.

    `cors`: lets pages of other origins read errors outside the admin plane.
    """
    document: dict[str, Any] = {}  # filled below, after the routes have been created
    app = FastAPI(
        title=NAME,
        version=parts.about.version,
        openapi_url=None,  # FastAPI's pages load scripts from other origins
        redirect_slashes=False,
        exception_handlers=unknown_route_handlers(document),
        telemetry=_SILENT,
    )
    guard = None if plane == "data" else _guard(parts)
    access = AccessTable(app.router)
    for grant, router in _admin_routers(parts) if guard is not None else ():
        guarded = APIRouter(responses=error_responses(401, 403, 429))
        guarded.include_router(router)
        access.include(guarded, Access(grant))
    public = [status_route(parts, document, guard), document_routes(document)]
    for router in public:
        access.include(router, PUBLIC)
    document |= complete(app.openapi(), paths_of(public), plane)
    app.add_middleware(
        ManagementMiddleware,
        metrics=parts.metrics,
        paths=document["paths"],
        access=access,
        guard=guard,
        unknown=unknown_path(document),
        cors=None if plane == "admin" else cors,
    )
    return app


def _guard(parts: Parts) -> AdminGuard:
    return AdminGuard(parts.admin, parts.verifier, parts.keys.repository.audit, parts.clock)


def _admin_routers(parts: Parts) -> Iterator[tuple[str, APIRouter]]:
    """The routers of the admin plane, each with the admin grant that it requires."""
    auth_mode = parts.about.auth_mode
    yield "keys", key_routes(parts.keys, auth_mode)
    yield "keys", key_lifecycle_routes(parts.keys, auth_mode)
    yield "audit", audit_routes(parts.keys.repository.audit)
    yield "usage", usage_routes(parts.usage)
    yield "metrics", _metrics_route(parts.metrics)


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
