"""The change feed of Redis: publish and subscribe, on a separate connection.

A message that was published while the feed was not connected is lost, so each subscription starts with
`MISSED`. A hung server raises no error, so it is pinged, and the connection is closed if no reply comes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import redis.exceptions as faults

from chat2response.stores.base import MISSED, Missed

PING_SECONDS = 1.0  # of silence before a ping
RETRY_SECONDS = (0.05, 2.0)  # the first pause, doubled up to the last

log = logging.getLogger(__name__)


async def follow(
    connect: Callable[[], Any],
    channel: str,
    writer: str,
    *,
    deadline: float,
    is_closed: Callable[[], bool],
    redials: Callable[[], int] = lambda: 0,
) -> AsyncIterator[str | Missed]:
    """The keys in messages `<writer>:<key>` of a channel, except those of `writer`, until `is_closed`.

    `redials`: a counter; a new value means that the host name may lead to another server, so reconnect.
    """
    pause, longest_pause = RETRY_SECONDS
    while not is_closed():
        epoch = redials()
        client = connect()
        subscription = client.pubsub()
        try:
            await subscription.subscribe(channel)
            while not is_closed() and redials() == epoch:
                for change in _read(await _next(subscription, deadline), writer):
                    pause = RETRY_SECONDS[0]
                    yield change
        except (faults.RedisError, OSError) as error:  # OSError includes TimeoutError
            log.debug("changes in Redis cannot be followed now: %r", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest_pause)
        finally:
            with suppress(faults.RedisError, OSError):
                async with asyncio.timeout(deadline):
                    await subscription.aclose()
                    await client.aclose()


async def _next(subscription: Any, deadline: float) -> dict[str, Any] | None:
    """The next message, which may be the reply to a ping. Raises TimeoutError if there is none."""
    message: dict[str, Any] | None = await subscription.get_message(timeout=PING_SECONDS)
    if message is None:
        async with asyncio.timeout(deadline):
            await subscription.ping()
            while message is None:
                message = await subscription.get_message(timeout=deadline)
    return message


def _read(message: dict[str, Any] | None, writer: str) -> list[str | Missed]:
    if message is None or message["type"] not in ("subscribe", "message"):
        return []
    if message["type"] == "subscribe":
        return [MISSED]
    author, _, key = message["data"].decode("utf-8", "replace").partition(":")
    return [] if author == writer else [key]
