"""`Door`: what stands around the FastAPI application, so that its answers are those of every other endpoint:
a request id on each, errors in one shape, counted by route; what fails unexpectedly does not end the
connection. And nobody gets to a route of the admin plane but past its guard, whatever routes may come.

It is a middleware, inside the framework's own error handling, which would re-raise what it has answered.
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
"""Lets a request pass to what an admin grant opens (None: any of them), or raises a BridgeError."""

_KEY = "chat2response.request"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What a page may try on a path that is not there: only then it can read that it is not."""


class Door:
    """ASGI middleware. `paths` are the labels in metrics; all else is counted as `other`.

    `guard` None: there is no admin plane behind this door. `cors`: that of errors which are not of the admin
    plane; None where this door leads to nothing else. `unknown`: the error for a path that is not there.
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
            await send({"type": "websocket.close", "code": 1008})  # no route takes one
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
        """False where the request is answered already. Raises what it is refused with."""
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
        if self._guard is not None and rules.guards(path):  # a stranger is not told what is not there
            await self._guard(request, rules.first_word(path))
        elif (
            request.extra_headers and self._cors is not None and await self._cors.preflight(request, _METHODS)
        ):
            return False
        raise self._unknown(path)

    def _add_cors(self, request: Request, path: str) -> None:
        """An error that is not of the admin plane, nor near it, a page may read."""
        if self._cors is not None and not path.startswith(rules.PATHS):
            request.extra_headers = self._cors.headers(request.headers.get(b"origin"))


def _inner(request: Request) -> Scope:
    """The scope that the application gets."""
    scope = {**request.scope, _KEY: request}
    if scope["method"] == "HEAD":  # answered like GET; the server leaves the body out
        scope["method"] = "GET"
    return scope


def arrived(scope: Mapping[str, Any]) -> Request:
    """The request as it came to the door."""
    request: Request = scope[_KEY]
    return request
