"""WebSocket upgrades of `/v1/responses`: not spoken here, and said so in the one way that clients act on.

A client that wants a socket first (Codex) tries again after any other refusal, for seconds; after a 426 it
goes on over HTTP at once. A bad key is a 401 all the same: it would be refused over HTTP too.
"""

from chat2response.api.bridge.authentication import Gate
from chat2response.api.http.request import Request
from chat2response.errors import UpgradeRequired


def is_websocket(request: Request) -> bool:
    """Whether the request asks for a WebSocket."""
    return request.headers.get(b"upgrade", b"").strip().lower() == b"websocket"


class NoSocket:
    """Answers an upgrade: the key first, then 426."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, request: Request) -> None:
        request.tenant = (await self._gate.admit(request, "responses")).tenant
        raise UpgradeRequired(
            "This gateway serves Responses over HTTP, not over WebSocket: POST the same body to this "
            "address, with stream set to true for events."
        )
