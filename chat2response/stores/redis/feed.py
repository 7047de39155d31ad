"""What other processes change in Redis, by publish and subscribe, on a connection of its own.

A message that was published while we were not connected is lost: each subscription begins with `MISSED`. A
server that hangs raises nothing here, so it is asked for a sign of life, and left when it gives none.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import redis.exceptions as faults

from chat2response.stores.base import MISSED, Missed

PING_SECONDS = 1.0  # of silence, after which the server is asked
RETRY_SECONDS = (0.05, 2.0)  # the first, doubled up to the last

_log = logging.getLogger(__name__)


async def follow(
    connect: Callable[[], Any],
    channel: str,
    writer: str,
    *,
    deadline: float,
    over: Callable[[], bool],
    dials: Callable[[], int] = lambda: 0,
) -> AsyncIterator[str | Missed]:
    """The keys in messages `<writer>:<key>` of a channel that are not `writer`'s own, until it is `over`.

    `dials`: another number than before means that the name leads to another server.
    """
    nap, most = RETRY_SECONDS
    while not over():
        dialled = dials()
        client = connect()
        told = client.pubsub()
        try:
            await told.subscribe(channel)
            while not over() and dials() == dialled:
                for change in _read(await _next(told, deadline), writer):
                    nap = RETRY_SECONDS[0]
                    yield change
        except (faults.RedisError, OSError) as error:  # TimeoutError, too
            _log.debug("changes in Redis cannot be followed now: %r", error)
            await asyncio.sleep(nap)
            nap = min(2 * nap, most)
        finally:
            with suppress(faults.RedisError, OSError):
                async with asyncio.timeout(deadline):
                    await told.aclose()
                    await client.aclose()


async def _next(told: Any, deadline: float) -> dict[str, Any] | None:
    """What comes next; None for a sign of life. Raises TimeoutError where there is none."""
    message: dict[str, Any] | None = await told.get_message(timeout=PING_SECONDS)
    if message is None:
        async with asyncio.timeout(deadline):
            await told.ping()
            while message is None:
                message = await told.get_message(timeout=deadline)
    return message


def _read(message: dict[str, Any] | None, writer: str) -> list[str | Missed]:
    if message is None or message["type"] not in ("subscribe", "message"):
        return []
    if message["type"] == "subscribe":
        return [MISSED]
    who, _, key = message["data"].decode("utf-8", "replace").partition(":")
    return [] if who == writer else [key]
