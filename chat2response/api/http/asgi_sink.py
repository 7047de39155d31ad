"""`AsgiSink`: a sink over ASGI's `send`, where the server offers none of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

log = logging.getLogger("chat2response.api")

MAX_QUEUED = 64 * 1024  # bytes above which the sink is full


class AsgiSink:
    """Queues what is written. A task sends it, and exists only while something waits.

    After a failed `send`, which says that the client has disconnected, it drops all writes.
    """

    __slots__ = ("_callbacks", "_ended", "_queue", "_send", "_size", "_task", "full")

    def __init__(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        self._send = send
        self._queue: list[bytes] = []
        self._size = 0  # of the queue, and of what is being sent
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[], None]] = []
        self.full = False

    def write(self, data: bytes, /) -> None:
        """Queues `data`."""
        if not data or self._ended:
            return
        self._queue.append(data)
        self._size += len(data)
        self.full = self._size > MAX_QUEUED
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send_queue())

    def on_drained(self, callback: Callable[[], None], /) -> None:
        """Calls `callback` once: when the sink is not full (at once, if it is not), or ends."""
        if self.full:
            self._callbacks.append(callback)
        else:
            callback()

    async def finish(self) -> None:
        """Waits until everything is sent. Nobody writes from now on."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    def cancel(self) -> None:
        """Drops what is not sent, and all further writes."""
        if self._task is not None:
            self._task.cancel()
            self._task = None  # one that has not started does not do it
        self._end()

    async def _send_queue(self) -> None:
        try:
            while self._queue:
                data = b"".join(self._queue)
                self._queue.clear()
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                self._size -= len(data)
                if self.full and self._size <= MAX_QUEUED:
                    self._drain()
        except OSError:
            self._end()  # the client has disconnected
        except Exception:
            log.exception("The server or a middleware failed to send a part of a stream.")
            self._end()
        finally:
            self._task = None

    def _end(self) -> None:
        self._ended = True
        self._queue.clear()
        self._size = 0
        self._drain()

    def _drain(self) -> None:
        self.full = False
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
