"""`ManagementMiddleware`: wraps the FastAPI application like `Endpoint` wraps the plain endpoints.

Every response gets a request id, errors have the common format, requests are counted by route, and an
unexpected error does not close the connection. No request reaches a route of the admin plane without passing
the guard.

It is a middleware inside the framework's own error handling, which re-raises errors that it has answered.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from chat2response.api.admin import rules
from chat2response.api.admin.access_table import AccessTable
from chat2response.api.http.cors import Cors
from chat2response.api.http.endpoint import Endpoint
from chat2response.api.http.paths import has_control_characters
from chat2response.api.http.request import App, Message, Receive, Request, Scope, Send
from chat2response.errors import NotFound
from chat2response.observe.metrics import Metrics

Guard = Callable[[Request, str | None], Awaitable[None]]
"""Admits a request that may use an admin grant (None: any of them), or raises a BridgeError."""

_KEY = "chat2response.request"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""Methods that a preflight allows for an unknown path, so that a page can read the 404."""


class ManagementMiddleware:
    """ASGI middleware. `paths`: the labels in metrics; all other paths are counted as `other`.

    `guard` None: the application has no admin plane. `cors`: for errors outside the admin plane; None if the
    application serves nothing else. `unknown`: the error for an unknown path.
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        paths: Iterable[str],
        access: AccessTable,
        guard: Guard | None,
        unknown: Callable[[str], NotFound],
        cors: Cors | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._guard = guard
        self._unknown = unknown
        self._cors = cors
        self._known = {path: Endpoint(path, self._pass, metrics) for path in paths}
        self._other = Endpoint("other", self._pass, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._known.get(scope["path"], self._other)(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # no route accepts WebSockets
        else:
            await self._app(scope, receive, send)

    async def _pass(self, request: Request) -> None:
        if not await self._may_pass(request):
            return
        request_id = (b"x-request-id", request.id.encode("latin-1"))

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                more = request.extra_headers if request.status >= 400 else ()
                message["headers"] = [*message.get("headers", ()), request_id, *more]
            await request.send(message)

        await self._app(_inner(request), request.receive, send)

    async def _may_pass(self, request: Request) -> bool:
        """Whether the application may handle the request; False if it is already answered.

        Raises the error for a rejected request.
        """
        path: str = request.scope["path"]
        if has_control_characters(path):
            self._add_cors(request, path)
            raise self._unknown(path)
        access = self._access.of(_inner(request))
        if access is None or access.public:
            self._add_cors(request, path)
            if access is not None:
                return True
        if access is not None and self._guard is not None:
            await self._guard(request, access.grant)
            return True
        if self._guard is not None and rules.guards(path):  # do not reveal which admin paths exist
            await self._guard(request, rules.grant_of(path))
        elif (
            request.extra_headers and self._cors is not None and await self._cors.preflight(request, _METHODS)
        ):
            return False
        raise self._unknown(path)

    def _add_cors(self, request: Request, path: str) -> None:
        """Lets pages read an error, unless its path is in the admin plane or looks like it."""
        if self._cors is not None and not path.startswith(rules.PATHS):
            request.extra_headers = self._cors.headers(request.headers.get(b"origin"))


def _inner(request: Request) -> Scope:
    """The scope for the application."""
    scope = {**request.scope, _KEY: request}
    if scope["method"] == "HEAD":  # answered like GET; the server omits the body
        scope["method"] = "GET"
    return scope


def outer_request(scope: Mapping[str, Any]) -> Request:
    """The request as the middleware received it."""
    request: Request = scope[_KEY]
    return request
