"""The times that a client has: for a head, for a body, and between two requests.

A timer runs only while the rest of a head or a body is due: a request that arrives in one read sets none.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chat2response.server import error_answers

HEAD_SECONDS = 30.0  # from a head's first byte to its last; also from a new connection to its first head
WINDOW = 30.0  # seconds over which the rate is measured


class BodyRate:
    """Measures a body from the moment the server waits for the rest of it. Times are the event loop's.

    `max_pause`: seconds that the body may be silent. `min_rate`: bytes per second; 0 turns the check off.
    """

    __slots__ = ("_last_read", "_max_pause", "_min_rate", "_received", "_window_start")

    def __init__(self, max_pause: float, min_rate: int, now: float) -> None:
        self._max_pause = max_pause
        self._min_rate = min_rate
        self.restart(now)

    def restart(self, now: float) -> None:
        """Starts over after a time in which the server itself did not read."""
        self._last_read = self._window_start = now
        self._received = 0

    def touch(self, now: float) -> None:
        """Notes a read, which may have brought nothing but framing."""
        self._last_read = now

    def add(self, size: int) -> None:
        """Counts bytes of the body."""
        self._received += size

    def next_check(self, now: float) -> float:
        """Seconds until `rejection` has to be called."""
        pause = self._last_read + self._max_pause - now
        return min(pause, self._window_start + WINDOW - now) if self._min_rate else pause

    def rejection(self, now: float) -> bytes | None:
        """The error answer for a body that is too slow, else None."""
        if now >= self._last_read + self._max_pause:
            return error_answers.BODY_PAUSED
        if self._min_rate and now >= self._window_start + WINDOW:
            if self._received < self._min_rate * WINDOW:
                return error_answers.body_too_slow(self._min_rate, WINDOW)
            self._window_start = now
            self._received = 0
        return None


class TimedHttpProtocol(HttpToolsProtocol):
    """The timers of one connection. The subclass parses, and sets and stops them.

    A body that pauses for `body_seconds`, or arrives below `body_rate` bytes per second, gets a 408.
    """

    def __init__(self, *args: Any, body_seconds: float, body_rate: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._body_seconds = body_seconds
        self._body_rate = body_rate
        self._rate: BodyRate | None = None  # while the rest of a body is due
        self._deadline: asyncio.TimerHandle | None = None
        self._idle_since = 0.0  # when the last answer ended
        self._unfinished = 0  # bytes read since the parser last made progress
        self._in_body = False

    def _reject(self, answer: bytes) -> None:
        """Stops parsing, and closes the connection with `answer` after the answers to earlier requests."""
        raise NotImplementedError

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _await_request(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._check_idle)

    def _check_idle(self) -> None:
        """Closes an idle connection. One timer checks it, so that none is set and cancelled per request."""
        self.timeout_keep_alive_task = None
        if self._answering() or self._unfinished or self._in_body:
            return  # the end of the answer sets the timer again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._await_request(left)
        else:
            self.timeout_keep_alive_handler()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._on_head_timeout)

    def _await_body(self) -> None:
        now = self.loop.time()
        if self._rate is not None:
            self._rate.touch(now)
            return
        self._rate = BodyRate(self._body_seconds, self._body_rate, now)
        self._deadline = self.loop.call_later(self._rate.next_check(now), self._check_rate)

    def _stop_timer(self) -> None:
        self._rate = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_head_timeout(self) -> None:
        self._deadline = None
        if self._unfinished:
            self._reject(error_answers.HEAD_TOO_SLOW)
        else:
            self.transport.close()  # no request ever came

    def _check_rate(self) -> None:
        """Rejects a body that arrives too slowly.

        The time does not count while the server does not read, or answers an earlier request of the
        connection.
        """
        self._deadline = None
        rate, now = self._rate, self.loop.time()
        if rate is None:
            return
        if self.flow.read_paused or self.pipeline:
            rate.restart(now)
        rejection = rate.rejection(now)
        if rejection is None:
            self._deadline = self.loop.call_later(rate.next_check(now), self._check_rate)
        else:
            self._reject(rejection)
