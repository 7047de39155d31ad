"""`StreamSender`: sends a stream to the client, with keepalives during silence and a stall timeout.

Proxies and clients drop silent connections (Codex after 300 seconds; it ignores comments), so the gateway
sends keepalives. An upstream that only sends comments counts as silent. One timer is re-armed when it fires,
so that a batch only costs a read of the clock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from chat2response.api.http.request import Send
from chat2response.wire.sse import first_payload


@dataclass(frozen=True, slots=True)
class StreamTimeouts:
    """Timeouts in seconds; 0: never."""

    keepalive: float = 15.0
    """Silence toward the client after which a keepalive is sent."""
    stall: float = 60.0
    """Time without an event from the upstream after which the stream is ended."""


class Timers(Protocol):
    """The part of an event loop that the sender uses."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any: ...


class _LoopTimers:
    """The running loop's timers, with a clock at a third of the cost of uvloop's: each batch reads it."""

    __slots__ = ("call_later", "time")

    def __init__(self) -> None:
        self.time = monotonic
        self.call_later = asyncio.get_running_loop().call_later


class StreamSender:
    """Sends one stream. `keepalive` returns the bytes of a keepalive, or none if the stream allows none now;
    `stalled` is called once, at the stall timeout."""

    __slots__ = (
        "_keepalive", "_keepalive_task", "_last_event", "_last_sent", "_send", "_sending", "_stalled",
        "_time", "_timeouts", "_timer", "_timers",
    )  # fmt: skip

    def __init__(
        self,
        send: Send,
        keepalive: Callable[[], bytes],
        stalled: Callable[[], None],
        timeouts: StreamTimeouts,
        timers: Timers | None = None,
    ) -> None:
        self._send = send
        self._keepalive = keepalive
        self._stalled = stalled
        self._timeouts = timeouts
        self._timers: Timers = timers or _LoopTimers()
        self._time = self._timers.time
        self._last_sent = self._last_event = self._time()
        self._sending = False
        self._keepalive_task: asyncio.Task[None] | None = None
        self._timer: Any = None
        self._arm(self._last_sent)

    async def send(self, batch: bytes) -> None:
        """Sends a batch of the stream, after a keepalive that is still being sent."""
        if self._keepalive_task is not None:
            await self._settle()
        self._sending = True
        await self._send({"type": "http.response.body", "body": batch, "more_body": True})
        self._sending = False
        self._last_sent = self._time()
        if batch[:1] != b":" or first_payload(batch) is not None:
            self._last_event = self._last_sent

    async def wait_until_drained(self, drained: Awaitable[None]) -> None:
        """Waits until the client has read; this silence counts for no timeout."""
        self._sending = True
        await drained
        self._sending = False
        self._last_sent = self._last_event = self._time()

    async def end(self) -> None:
        """Stops the timer, and waits for a keepalive that is still being sent."""
        self._stop()
        await self._settle()

    def cancel(self) -> None:
        """Stops the timer and cancels a keepalive; for a client that has disconnected."""
        self._stop()
        if self._keepalive_task is not None:
            self._keepalive_task.cancel()

    # -- the timer -----------------------------------------------------------------------------------

    def _arm(self, now: float) -> None:
        keepalive, stall = self._timeouts.keepalive, self._timeouts.stall
        due = [self._last_sent + keepalive] if keepalive else []
        due += [self._last_event + stall] if stall else []
        self._timer = self._timers.call_later(max(min(due) - now, 0.0), self._tick) if due else None

    def _tick(self) -> None:
        now, timeouts = self._time(), self._timeouts
        if self._sending:  # the client is not reading: the silence is its own
            self._last_sent = self._last_event = now
        if timeouts.stall and now - self._last_event >= timeouts.stall:
            self._timer = None
            self._stalled()
            return
        if timeouts.keepalive and now - self._last_sent >= timeouts.keepalive:
            self._last_sent = now
            self._send_keepalive_soon()
        self._arm(now)

    def _send_keepalive_soon(self) -> None:
        if self._keepalive_task is not None and not self._keepalive_task.done():
            return  # the previous one is still being sent
        data = self._keepalive()
        if data:
            # Created now and sent before any later batch: it has the next sequence number.
            self._keepalive_task = asyncio.get_running_loop().create_task(self._send_keepalive(data))

    async def _send_keepalive(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _settle(self) -> None:
        task, self._keepalive_task = self._keepalive_task, None
        if task is not None:
            await task

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
