"""`TimedSink`: a sink that sends keepalives during silence, and notices an upstream that has stalled.

Proxies and clients drop silent connections (Codex after 300 seconds; it ignores comments), so the gateway
sends keepalives. An upstream that only sends comments counts as silent. One timer is re-armed when it fires,
so that a write only costs a read of the clock.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from chat2response.engine.sink import NO_SINK, Sink
from chat2response.wire.sse import first_payload


@dataclass(frozen=True, slots=True)
class StreamTimeouts:
    """Timeouts in seconds; 0: never."""

    keepalive: float = 15.0
    """Silence toward the client after which a keepalive is sent."""
    stall: float = 60.0
    """Time without an event from the upstream after which the stream is ended."""


class Timers(Protocol):
    """The part of an event loop that the sink uses."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any: ...


class _LoopTimers:
    """The running loop's timers, with a clock at a third of the cost of uvloop's: each write reads it."""

    __slots__ = ("call_later", "time")

    def __init__(self) -> None:
        self.time = monotonic
        self.call_later = asyncio.get_running_loop().call_later


def _nothing() -> bytes:
    """The callback of a sink that is closed."""
    return b""


class TimedSink:
    """Writes one stream to `sink`. `keepalive` returns the bytes of a keepalive, or none if the stream allows
    none now; `stalled` is called once, at the stall timeout.

    While the client does not read, the silence is its own: it counts for no timeout.
    """

    __slots__ = (
        "_keepalive", "_last_event", "_last_write", "_sink", "_stalled", "_time", "_timeouts", "_timer",
        "_timers", "full", "size",
    )  # fmt: skip

    def __init__(
        self,
        sink: Sink,
        keepalive: Callable[[], bytes],
        stalled: Callable[[], object],
        timeouts: StreamTimeouts,
        timers: Timers | None = None,
    ) -> None:
        self._sink = sink
        self._keepalive = keepalive
        self._stalled = stalled
        self._timeouts = timeouts
        self._timers: Timers = timers or _LoopTimers()
        self._time = self._timers.time
        self._last_write = self._last_event = self._time()
        self.size = 0
        """Bytes written, without keepalives."""
        self.full = False
        self._timer: Any = None
        self._arm(self._last_write)
        if sink.full:
            self._wait_for_client()

    def write(self, data: bytes, /) -> None:
        """Writes frames of the stream."""
        if not data:
            return
        sink = self._sink
        sink.write(data)
        self.size += len(data)
        self._last_write = now = self._time()
        if data[:1] != b":" or first_payload(data) is not None:
            self._last_event = now
        if sink.full:
            self._wait_for_client()

    def on_drained(self, callback: Callable[[], None], /) -> None:
        """Calls `callback` once: when the client reads again (at once, if it does), or has disconnected."""
        self._sink.on_drained(callback)

    def close(self) -> None:
        """Stops the timer, and drops all further writes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sink = NO_SINK
        self._keepalive = self._stalled = _nothing  # they refer to the run, which refers to its stream
        self.full = False

    # -- a client that does not read -----------------------------------------------------------------

    def _wait_for_client(self) -> None:
        if not self.full:
            self.full = True
            self._sink.on_drained(self._drained)  # before the callbacks of whoever writes

    def _drained(self) -> None:
        self.full = False
        self._last_write = self._last_event = self._time()

    # -- the timer -----------------------------------------------------------------------------------

    def _arm(self, now: float) -> None:
        keepalive, stall = self._timeouts.keepalive, self._timeouts.stall
        due = [self._last_write + keepalive] if keepalive else []
        due += [self._last_event + stall] if stall else []
        self._timer = self._timers.call_later(max(min(due) - now, 0.0), self._tick) if due else None

    def _tick(self) -> None:
        now, timeouts = self._time(), self._timeouts
        if self.full:
            self._last_write = self._last_event = now
        if timeouts.stall and now - self._last_event >= timeouts.stall:
            self._timer = None
            self._stalled()
            return
        if timeouts.keepalive and now - self._last_write >= timeouts.keepalive:
            self._last_write = now
            self._write_keepalive()
        self._arm(now)

    def _write_keepalive(self) -> None:
        data = self._keepalive()
        if data:
            self._sink.write(data)
            if self._sink.full:
                self._wait_for_client()
