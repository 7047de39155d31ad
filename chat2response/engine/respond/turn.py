"""`Turn`: one answer of the upstream, read inside the callbacks that its bytes arrive in."""

import asyncio
from collections.abc import Callable

from chat2response.convert.event_feed import EventFeed
from chat2response.convert.lenient_reader import add_repair_losses
from chat2response.convert.reader import Reader
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.engine.wakeup import Wakeup
from chat2response.errors import UpstreamError
from chat2response.net.transport import StreamInterrupted
from chat2response.upstreams.base import Reply
from chat2response.upstreams.whole_answers import decode_answer
from chat2response.wire.content_sniffing import Kind
from chat2response.wire.fault import Fault

OnRead = Callable[[], None]


def nothing() -> None:
    """An `on_read` that does nothing."""


class Turn:
    """Feeds `reader`. `on_read` is called after each network read that has not ended the turn; what it raises
    ends the turn, and `conclude` raises it."""

    def __init__(self, reply: Reply, reader: Reader, max_output: int = MAX_OUTPUT) -> None:
        """`max_output`: the bytes that a JSON body may take in memory."""
        self.reply = reply
        self.reader = reader
        self.on_read: OnRead = nothing
        self.over = False
        """Whether nothing more arrives: then `conclude` reads the end."""
        self._max_output = max_output
        self._feed = EventFeed(reader)
        self._wakeup = Wakeup()
        self._started = self._concluded = False
        self._whole = False  # a JSON body came in place of a stream
        self._fault: Fault | None = None
        self._failure: Exception | None = None

    # -- for the task that answers the call ----------------------------------------------------------

    async def start(self, seconds: float) -> None:
        """Waits for the first event, at most `seconds`; what follows it waits for `finish`.

        Comments are no events: some backends send them for long. A turn that is over is concluded.
        Raises what `conclude` raises.
        """
        self.on_read = self._wait_if_started
        self._begin()
        if not self._wakeup.is_set:
            timer = asyncio.get_running_loop().call_later(seconds, self._wakeup.set)
            try:
                await self._wakeup.wait()
            finally:
                timer.cancel()
        self.on_read = nothing
        if self.over:
            await self.conclude()
        else:
            self.reply.pause()
            self._wakeup.clear()

    async def finish(self) -> None:
        """Reads to the end of the turn. Raises what `on_read` has raised, and UpstreamError."""
        if not self.over:
            if self._started:
                self.reply.resume()
            else:
                self._begin()
            await self._wakeup.wait()
        await self.conclude()

    async def conclude(self) -> None:
        """Reads the end of a turn that is over: its JSON body, or the reason why its stream stopped."""
        if self._concluded:
            return
        self._concluded = True
        if self._failure is not None:
            raise self._take_failure()
        if self._whole:
            await self._read_whole()
        if not self.reader.done:
            self._feed.close(self._fault)

    def pause(self) -> None:
        """Reads nothing until `resume`: the client does not, either."""
        self.reply.pause()

    def resume(self) -> None:
        """Continues after `pause`."""
        if not self.over:
            self.reply.resume()

    def fail(self, error: Exception) -> None:
        """Ends the turn as if `on_read` had raised `error`."""
        if not self._concluded:
            self._failure = error
            self._finish()

    def close(self) -> None:
        """Ends a turn that is left in the middle."""
        self.over = True
        self.on_read = nothing
        self._failure = None

    # -- a Receiver ----------------------------------------------------------------------------------

    def on_data(self, data: bytes, /) -> None:
        """Feeds the bytes of one read."""
        if self.over:
            return
        try:
            self._feed.feed(data)
            if not self.reader.done:
                self.on_read()
                return
            self.reply.finished = True
        except Exception as error:
            self._failure = error
        self._finish()

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Notes why no more arrives."""
        if not self.over:
            if isinstance(error, StreamInterrupted):
                self._fault = error.fault
            else:
                self._failure = error
            self._finish()

    # -- inside --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._started = True
        self.reply.sniff(self._on_kind)

    def _on_kind(self, kind: Kind | None) -> None:
        if kind == "json" or (kind == "other" and self.reply.claims_stream is False):
            self._whole = True
            self._finish()
        else:
            self.reply.push(self)

    def _wait_if_started(self) -> None:
        if self.reader.started:
            self.reply.pause()
            self._wakeup.set()

    def _finish(self) -> None:
        self.over = True
        self.reply.pause()
        self._wakeup.set()

    def _take_failure(self) -> Exception:
        """The failure. One that stays stored while it is raised would make a reference cycle."""
        failure, self._failure = self._failure, None
        assert failure is not None
        return failure

    async def _read_whole(self) -> None:
        """Reads a JSON body: some servers ignore `stream`, or send an error with status 200."""
        answer, repairs = await decode_answer(await self.reply.read(), self._max_output)
        add_repair_losses(repairs, self.reader.losses)
        self.reader.value(answer)
