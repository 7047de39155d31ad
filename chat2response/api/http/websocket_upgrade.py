"""Rejects WebSocket upgrades of `/v1/responses` with 426: the gateway serves Responses over HTTP only.

Codex tries a WebSocket first. After a 426 it falls back to HTTP at once; after any other error it retries for
seconds. A bad key still gets a 401, as it would over HTTP.
"""

from chat2response.api.bridge.authentication import Authenticator
from chat2response.api.http.request import Request
from chat2response.errors import UpgradeRequired


def is_websocket(request: Request) -> bool:
    """Whether the request asks for a WebSocket."""
    return request.headers.get(b"upgrade", b"").strip().lower() == b"websocket"


class WebSocketRefusal:
    """Authenticates the request, then rejects it with 426."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, request: Request) -> None:
        request.tenant = (await self._authenticator.authenticate(request, "responses")).tenant
        raise UpgradeRequired(
            "This gateway serves Responses over HTTP, not over WebSocket. POST the same body to this "
            "URL, and set stream to true for events."
        )
