"""Runs the gateway and logs long callbacks of its event loop: `python bench/watched.py FILE`.

Each callback that takes more than a millisecond of CPU becomes a line of the file, in milliseconds. A timer
that fires each millisecond measures the CPU time of the loop's thread between two of its calls.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_INTERVAL = 0.001  # seconds


def watch(loop: asyncio.AbstractEventLoop, log: Path) -> None:
    """Starts to log long callbacks, for the lifetime of the loop."""
    last = time.thread_time()

    def tick() -> None:
        nonlocal last
        now = time.thread_time()
        if now - last > _INTERVAL:
            with log.open("a") as file:
                file.write(f"{(now - last) * 1000:.1f}\n")
            now = time.thread_time()
        last = now
        loop.call_later(_INTERVAL, tick)

    loop.call_later(_INTERVAL, tick)


def main(log: Path) -> None:
    """Runs the command line; the watch begins when the application starts."""
    from chat2response.app import Gateway
    from chat2response.cli import main as serve

    start: Callable[..., Awaitable[None]] = Gateway._lifespan

    async def watched(self: Gateway, *args: Any) -> None:
        watch(asyncio.get_running_loop(), log)
        await start(self, *args)

    setattr(Gateway, "_lifespan", watched)  # noqa: B010  (mypy knows that it is a method)
    sys.argv[1:] = []
    serve()


if __name__ == "__main__":
    sys.path.pop(0)  # this folder must not shadow imports
    main(Path(sys.argv[1]))
