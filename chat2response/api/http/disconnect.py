"""Learning that a client has hung up.

ASGI tells it to who waits in `receive`, which costs a task for each request. Our own server calls instead,
by an extension of the scope; under any other one a task waits.
"""

import asyncio
from collections.abc import Callable

from chat2response.api.http.request import Receive, Request

HANG_UP = "chat2response.hang_up"
"""In the scope's `extensions`: takes what to call when the client is gone, returns what ends the watch."""

Act = Callable[[], None]
Forget = Callable[[], object]


def on_hang_up(request: Request, act: Act) -> Forget:
    """Calls `act` once if the client hangs up, at once if it has. Its request has been read whole.

    Returns what ends the watch; without it, the end of the answer may count as a hang-up.
    """
    extensions = request.scope.get("extensions")
    if extensions and (watch := extensions.get(HANG_UP)):
        forget: Forget = watch(act)
        return forget
    return asyncio.get_running_loop().create_task(_wait(request.receive, act)).cancel


async def _wait(receive: Receive, act: Act) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    act()
