"""`Heart`: passes a stream on, with a sign of life in its silences, and an end to those that last too long.

Proxies and clients drop a connection on which nothing comes (Codex after 300 seconds, and a comment is
nothing to it), so a stream of ours says something of its own. An upstream that only sends comments is as
silent as one that sends nothing. One timer, armed again when it fires: a batch costs a look at the clock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from chat2response.api.http.request import Send
from chat2response.wire.sse import first_payload


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds; 0: never."""

    heartbeat: float = 15.0
    """Of silence toward the client, after which the gateway says something."""
    stall: float = 60.0
    """Without an event of the upstream's, after which the stream is ended."""


class Timers(Protocol):
    """The part of an event loop that is used here."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any: ...


class _LoopTimers:
    """The running loop's, by a clock that costs a third of uvloop's own: it is read once a batch."""

    __slots__ = ("call_later", "time")

    def __init__(self) -> None:
        self.time = monotonic
        self.call_later = asyncio.get_running_loop().call_later


class Heart:
    """Of one stream. `beat` makes the sign of life (nothing where the stream has none now); `stalled` is
    called once."""

    __slots__ = (
        "_beat", "_beating", "_heard", "_rhythm", "_send", "_sending", "_stalled", "_time", "_timer",
        "_timers", "_told",
    )  # fmt: skip

    def __init__(
        self,
        send: Send,
        beat: Callable[[], bytes],
        stalled: Callable[[], None],
        rhythm: Rhythm,
        timers: Timers | None = None,
    ) -> None:
        self._send = send
        self._beat = beat
        self._stalled = stalled
        self._rhythm = rhythm
        self._timers: Timers = timers or _LoopTimers()
        self._time = self._timers.time
        self._told = self._heard = self._time()
        self._sending = False
        self._beating: asyncio.Task[None] | None = None
        self._timer: Any = None
        self._arm(self._told)

    async def pass_on(self, batch: bytes) -> None:
        """Sends what the stream says, behind a sign of life that is still on its way."""
        if self._beating is not None:
            await self._settle()
        self._sending = True
        await self._send({"type": "http.response.body", "body": batch, "more_body": True})
        self._sending = False
        self._told = self._time()
        if batch[:1] != b":" or first_payload(batch) is not None:
            self._heard = self._told

    async def wait_for(self, drained: Awaitable[None]) -> None:
        """The client has to read first: the silence until then is its own."""
        self._sending = True
        await drained
        self._sending = False
        self._told = self._heard = self._time()

    async def end(self) -> None:
        """The stream is over: nothing more comes from here."""
        self._stop()
        await self._settle()

    def cancel(self) -> None:
        """The same at once, where nobody reads any more."""
        self._stop()
        if self._beating is not None:
            self._beating.cancel()

    # -- the timer -----------------------------------------------------------------------------------

    def _arm(self, now: float) -> None:
        heartbeat, stall = self._rhythm.heartbeat, self._rhythm.stall
        due = [self._told + heartbeat] if heartbeat else []
        due += [self._heard + stall] if stall else []
        self._timer = self._timers.call_later(max(min(due) - now, 0.0), self._tick) if due else None

    def _tick(self) -> None:
        now, rhythm = self._time(), self._rhythm
        if self._sending:  # the silence is the client's: it does not read
            self._told = self._heard = now
        if rhythm.stall and now - self._heard >= rhythm.stall:
            self._timer = None
            self._stalled()
            return
        if rhythm.heartbeat and now - self._told >= rhythm.heartbeat:
            self._told = now
            self._say()
        self._arm(now)

    def _say(self) -> None:
        if self._beating is not None and not self._beating.done():
            return  # the last one has not gone out yet
        data = self._beat()
        if data:
            # Made now and sent before any later batch: its number is the next one.
            self._beating = asyncio.get_running_loop().create_task(self._send_beat(data))

    async def _send_beat(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _settle(self) -> None:
        beating, self._beating = self._beating, None
        if beating is not None:
            await beating

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
