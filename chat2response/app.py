"""`Gateway`: the ASGI application. A dict dispatches the hot paths; FastAPI handles everything else.

FastAPI takes half a second and 20 MiB to load, and the bridge does not need it. It is loaded at the first
request to `/keys`, `/metrics`, `/status` or the docs.

If the admin plane has its own listener, `admin` is the application of that listener, and the other listener
serves no admin plane.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping

from chat2response.api.bridge.authentication import (
    Authenticator,
    ManagedAuthenticator,
    OpenAuthenticator,
    PassthroughAuthenticator,
)
from chat2response.api.bridge.bridge import Bridge
from chat2response.api.bridge.convert import Convert
from chat2response.api.bridge.models import Models
from chat2response.api.http.access_log import AccessLog
from chat2response.api.http.body_buffers import BodyBuffers
from chat2response.api.http.cors import Cors
from chat2response.api.http.endpoint import Endpoint, Handler
from chat2response.api.http.paths import has_control_characters
from chat2response.api.http.request import App, Receive, Request, Scope, Send
from chat2response.api.http.websocket_upgrade import WebSocketRefusal, is_websocket
from chat2response.api.management.health import Ready, live, not_ready
from chat2response.api.openapi.document import Plane
from chat2response.compose import Services
from chat2response.compose.api import client_profile, convert_cors, cors, stream_timeouts
from chat2response.compose.upstreams import catalog, conversion_policy
from chat2response.convert.dialects.surfaces import CHAT_SURFACE, PROXY, RESPONSES_SURFACE, Surface
from chat2response.convert.outcome import fault_error
from chat2response.errors import BridgeError, MethodNotAllowed
from chat2response.settings import AuthMode
from chat2response.wire.fault import DRAINING

log = logging.getLogger("chat2response")

BRIDGES: Mapping[str, Surface] = {
    "/proxy": PROXY,
    "/v1/responses": RESPONSES_SURFACE,
    "/responses": RESPONSES_SURFACE,
    "/v1/chat/completions": CHAT_SURFACE,
    "/chat/completions": CHAT_SURFACE,
}
_SOCKETS = ("/v1/responses", "/responses")
_MODELS = ("/v1/models", "/models")
_READINESS = ("/readyz", "/healthz", "/health")
_HEALTH = ("/livez", *_READINESS)
_READ = ("GET", "HEAD")


Route = tuple[tuple[str, ...], App]
"""Methods, and the endpoint that handles them."""


class Gateway:
    """One per process. `services` are opened and closed with the lifespan."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._cors = Cors(cors(services.settings))
        self._convert_cors = Cors(convert_cors(services.settings))
        self.buffers = BodyBuffers(services.settings.max_buffered_bytes)
        self._endpoints: dict[str, Route] = {}
        self._upgrades: dict[str, App] = {}
        separate = services.settings.chat2response_admin_bind_addr is not None
        self._management = _LazyApplication(services, "data" if separate else "whole", self._cors)
        self._admin = _LazyApplication(services, "admin")
        self._add_endpoints()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.dispatch(scope, receive, send)

    def dispatch(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Like `__call__`, for our own server: no coroutine, which each wait of a call would enter once more.

        Other servers tell ASGI 3 from ASGI 2 by a coroutine function.
        """
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        route = self._endpoints.get(scope["path"]) or self._model_route(scope["path"])
        if route is None or scope["type"] != "http":
            return self._management(scope, receive, send)
        if scope["method"] in route[0]:
            return route[1](scope, receive, send)
        return self._other_method(route[0], Request(scope, receive, send))

    async def admin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application of the admin plane's own listener: the admin plane, probes and documents."""
        methods, endpoint = self._endpoints[scope["path"]] if scope["path"] in _HEALTH else ((), self._admin)
        if methods and scope["method"] not in methods:
            await self._other_method(methods, Request(scope, receive, send))
        else:
            await endpoint(scope, receive, send)

    def drain(self) -> None:
        """Reports not ready and rejects new calls. Running calls continue, and so does the admin plane.

        It replaces the endpoints, so that no call has to check for it.
        """
        for path in _READINESS:
            self._add(path, _READ, not_ready)
        for path in (*BRIDGES, *_MODELS):
            self._add(path, self._endpoints[path][0], _refuse_draining)
        self._add_upgrades(_refuse_draining)

    # -- endpoints ---------------------------------------------------------------------------------

    def _add_endpoints(self) -> None:
        services, settings = self._services, self._services.settings
        authenticator = _authenticator(services)
        limit, client = settings.chat2response_max_body_bytes, client_profile(settings)
        for path, surface in BRIDGES.items():
            timeouts = stream_timeouts(settings, surface)
            self._add(
                path,
                ("POST",),
                Bridge(surface, services.engine, authenticator, limit, self.buffers, client, timeouts),
            )
        self._add_upgrades(WebSocketRefusal(authenticator))
        self._add_convert(authenticator)
        models = Models(services.engine, authenticator, catalog(settings))
        for path in _MODELS:
            self._add(path, _READ, models)
        ready = Ready(None if settings.auth_mode is AuthMode.PASSTHROUGH else services.health)
        self._add("/livez", _READ, live)
        for path in _READINESS:
            self._add(path, _READ, ready)

    def _add_convert(self, authenticator: Authenticator) -> None:
        settings, routes = self._services.settings, self._services.engine.routes
        convert = Convert(
            settings.chat2response_max_body_bytes,
            authenticator,
            self.buffers,
            self._convert_cors,
            routes.target(CHAT_SURFACE).backend.quirks,
            settings.chat2response_fidelity,
            conversion_policy(settings),
        )
        self._add("/convert", ("POST",), convert)

    def _add(self, path: str, methods: tuple[str, ...], handler: Handler) -> None:
        metrics, access = self._services.metrics, self._access_of(path)
        endpoint = Endpoint(path, handler, metrics, self._cors_of(path), access)
        self._endpoints[path] = (methods, endpoint)

    def _cors_of(self, path: str) -> Cors:
        return self._convert_cors if path == "/convert" else self._cors

    def _access_of(self, path: str) -> AccessLog | None:
        """The access log of a path; None for probes."""
        if path in _HEALTH:
            return None
        surface = BRIDGES.get(path)
        if surface is None:
            return AccessLog(path)
        return AccessLog(path, self._services.engine.routes.target(surface).shown_address)

    def _add_upgrades(self, handler: Handler) -> None:
        for path in _SOCKETS:
            metrics, access = self._services.metrics, self._access_of(path)
            self._upgrades[path] = Endpoint(path, handler, metrics, access=access)

    def _model_route(self, path: str) -> Route | None:
        """The route of `/v1/models/{model}`."""
        for prefix in _MODELS:
            if path.startswith(f"{prefix}/") and len(path) > len(prefix) + 1:
                return None if has_control_characters(path) else self._endpoints[prefix]
        return None

    async def _other_method(self, allowed: tuple[str, ...], request: Request) -> None:
        """Handles a browser's preflight or a WebSocket upgrade; answers any other method with 405."""
        upgrade = self._upgrades.get(request.scope["path"])
        if upgrade is not None and request.scope["method"] == "GET" and is_websocket(request):
            await upgrade(request.scope, request.receive, request.send)
            return
        cors = self._cors_of(request.scope["path"])
        if await cors.preflight(request, allowed):
            return
        request.extra_headers = cors.headers(request.headers.get(b"origin"))
        names, scope = ", ".join(allowed), request.scope
        message = f"{scope['path']} does not support {scope['method']}. Use {names}."
        await request.send_error(MethodNotAllowed(message, headers={"allow": names}))

    # -- lifespan ----------------------------------------------------------------------------------

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._services.open()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._services.engine.runs.stop_all(DRAINING)
        await self._services.close()
        await send({"type": "lifespan.shutdown.complete"})


def _authenticator(services: Services) -> Authenticator:
    match services.settings.auth_mode:
        case AuthMode.MANAGED:
            last_used = services.keys.repository.last_used
            return ManagedAuthenticator(
                services.verifier, last_used, services.metrics, services.admin.trusted
            )
        case AuthMode.PASSTHROUGH:
            return PassthroughAuthenticator()
        case AuthMode.OPEN:
            return OpenAuthenticator()


async def _refuse_draining(request: Request) -> None:
    raise _draining()


def _draining() -> BridgeError:
    error = fault_error(DRAINING)
    error.headers["connection"] = "close"
    return error


class _LazyApplication:
    """The management application of a listener, built at its first request."""

    def __init__(self, services: Services, plane: Plane, cors: Cors | None = None) -> None:
        self._services = services
        self._plane = plane
        self._cors = cors
        self._app: App | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._app or await self._load())(scope, receive, send)

    async def _load(self) -> App:
        """Builds the application once, in a thread, so that streams continue while FastAPI loads."""
        async with self._loading:
            if self._app is None:
                self._app = await asyncio.to_thread(self._build)
        return self._app

    def _build(self) -> App:
        from chat2response.api.management.application import build_management

        return build_management(self._services, self._plane, self._cors)
