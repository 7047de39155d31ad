"""`DemoTransport`: the demo server in the place of the network, behind the seam of `net/transport.py`."""

import asyncio
import time
from collections.abc import Iterator

from chat2response.net.http_response import HttpResponse
from chat2response.upstreams.demo.server import Answer, respond
from chat2response.wire.ids import Clock, Ids, new_id
from chat2response.wire.large_documents import is_large, run_in_thread_if


class DemoTransport:
    """A transport without a network. `delay`: seconds between the words of a stream."""

    def __init__(self, *, delay: float = 0.03, clock: Clock = time.time, ids: Ids = new_id) -> None:
        self.delay = delay
        self._clock = clock
        self._ids = ids

    async def open(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        stall: float = 0.0,
    ) -> HttpResponse:
        """Answers the request. The first word of a stream has arrived when this returns."""
        sent = body or b""
        answer = await run_in_thread_if(is_large(sent), respond, method, url, sent, self._clock, self._ids)
        return Playback(asyncio.get_running_loop(), self.delay).start(answer)

    async def close(self) -> None:
        """Closes nothing: a response ends by itself, or its reader closes it."""


class Playback:
    """The ConnectionControl of one response: feeds it the pieces of its body, `delay` seconds apart.

    While reading is paused no timer runs; the next piece comes `delay` seconds after it resumes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        self._loop = loop
        self._delay = delay
        self._response: HttpResponse | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._next: bytes | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, answer: Answer) -> HttpResponse:
        """The response, with its head and the first piece of its body."""
        response = self._response = HttpResponse(self)
        headers = answer.headers.items()
        response.feed_head(answer.status, [(name.encode(), value.encode()) for name, value in headers])
        self._pieces = answer.pieces
        self._next = next(self._pieces, None)
        self._play()
        return response

    def pause_reading(self) -> None:
        """Stops the timer."""
        self._paused = True
        self._stop_timer()

    def resume_reading(self) -> None:
        """Starts the timer again."""
        self._paused = False
        if self._response is not None and self._timer is None:
            self._start_timer()

    def abort(self) -> None:
        """Ends the playback: nothing more is fed."""
        self._stop_timer()
        self._end()

    def _play(self) -> None:
        """Feeds the next piece. After the last one, the body is complete at once."""
        self._timer = None
        response, piece = self._response, self._next
        if response is None or piece is None:
            return
        self._next = next(self._pieces, None)
        response.feed(piece)
        if self._next is None:
            self._end()
            response.finish()
        elif not self._paused:
            self._start_timer()

    def _end(self) -> None:
        """Drops the response, which refers to this playback, and the rest of its body."""
        self._response, self._next, self._pieces = None, None, iter(())

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(self._delay, self._play)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
