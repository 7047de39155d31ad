"""Notices that a client has disconnected.

In ASGI a task has to wait in `receive` for this. Our own server offers a callback instead, as an extension of
the scope, which saves a task per request; under any other server a task waits.
"""

import asyncio
from collections.abc import Callable

from chat2response.api.http.request import Receive, Request

DISCONNECT = "chat2response.disconnect"
"""In the scope's `extensions`: takes a callback for the disconnect, returns a function that removes it."""

Callback = Callable[[], None]
Unwatch = Callable[[], object]


def on_disconnect(request: Request, callback: Callback) -> Unwatch:
    """Calls `callback` once if the client disconnects, or at once if it has. The request has been read whole.

    Returns a function that ends the watch. Call it before the response ends, which may count as a disconnect.
    """
    extensions = request.scope.get("extensions")
    if extensions and (watch := extensions.get(DISCONNECT)):
        unwatch: Unwatch = watch(callback)
        return unwatch
    return asyncio.get_running_loop().create_task(_wait(request.receive, callback)).cancel


async def _wait(receive: Receive, callback: Callback) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    callback()
