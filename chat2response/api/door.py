"""`Door`: what stands around the FastAPI application, so that its answers are those of every other endpoint:
a request id on each, errors in one shape, counted by route; what fails unexpectedly does not end the
connection. And nobody gets to the admin plane but past its guard, whatever endpoints it may come to have.

It is a middleware, inside the framework's own error handling, which would re-raise what it has answered.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from chat2response.api import admin
from chat2response.api.asgi import App, Message, Receive, Request, Scope, Send
from chat2response.api.endpoint import Endpoint
from chat2response.observe.metrics import Metrics

Guard = Callable[[Request], Awaitable[None]]
"""Lets a request pass to the admin plane, or raises a BridgeError."""

_KEY = "chat2response.request"


class Door:
    """ASGI middleware. `paths` are the labels in metrics; all else is counted as `other`.

    `guard` None: there is no admin plane behind this door.
    """

    def __init__(self, app: App, metrics: Metrics, paths: Iterable[str], guard: Guard | None) -> None:
        self._app = app
        self._guard = guard
        self._known = {path: Endpoint(path, self._pass, metrics) for path in paths}
        self._other = Endpoint("other", self._pass, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._known.get(scope["path"], self._other)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass(self, request: Request) -> None:
        if self._guard is not None and admin.guards(request.scope["path"]):
            await self._guard(request)
        request_id = (b"x-request-id", request.id.encode("latin-1"))

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                message["headers"] = [*message.get("headers", ()), request_id]
            await request.send(message)

        scope = {**request.scope, _KEY: request}
        if scope["method"] == "HEAD":  # answered like GET; the server leaves the body out
            scope["method"] = "GET"
        await self._app(scope, request.receive, send)


def arrived(scope: Mapping[str, Any]) -> Request:
    """The request as it came to the door."""
    request: Request = scope[_KEY]
    return request
