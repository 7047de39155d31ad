"""`RelayedStream`: the upstream's own stream, up to the last whole frame of each read."""

import asyncio
import logging
from collections.abc import Sequence

from chat2response.convert.dialects.dialect import Tap
from chat2response.convert.outcome import fault_error
from chat2response.engine.relay.first_frames import FirstFrames
from chat2response.engine.relay.leading_error import error_as_json, last_frame, leading_error
from chat2response.engine.relay.masking import masked
from chat2response.engine.relay.stream_end import StreamEndFilter
from chat2response.engine.relay.usage_filter import without_usage
from chat2response.engine.run import Run
from chat2response.engine.sink import NO_SINK, Sink
from chat2response.engine.wakeup import Wakeup
from chat2response.errors import BridgeError, UpstreamError, release_frames
from chat2response.net.transport import StreamInterrupted
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import Reply
from chat2response.wire import sse
from chat2response.wire.fault import RESET, STORE_DOWN, TOO_LARGE
from chat2response.wire.large_documents import run_in_thread
from chat2response.wire.responses import Usage

log = logging.getLogger("chat2response.engine")

_DELTA = b'"delta"'
_SLICE = 64 * 1024  # bytes that are relayed at once: they do not grow, so a whole read may pass
_TRAILER_SECONDS = 0.25  # seconds to wait for `[DONE]` or a comment after the end


class RelayedStream:
    """Relays a stream, and adds an end if the upstream sends none.

    `tap` reads a copy of the frames. Only two writes to the store may delay a frame (law 6, persist, then
    announce): the owners of new ids, and the finished response. Meanwhile the reply pauses. Only the
    gateway's secrets in an error message are changed.
    """

    def __init__(
        self, run: Run, reply: Reply, tap: Tap, *, hide_usage: bool = False, keep: bool = False
    ) -> None:
        """`keep`: the finished response is kept."""
        self.deltas = 0
        """The approximate number of output deltas."""
        self._run = run
        self._tap = tap
        self._hide_usage = hide_usage
        self._keep = keep
        self._reply = reply
        self._cut = sse.FrameSplitter()
        self._end_filter = StreamEndFilter()
        self._attention = Wakeup()  # there is something to await: `_pending`, or the end of the input
        self._first = FirstFrames(self._attention.set)
        self._sink: Sink = self._first
        self._pending: bytes | None = None  # frames that wait for a write to the store
        self._new_ids: Sequence[str] = ()  # of these frames
        self._over = False  # nothing more is read
        self._complete = False  # the input has ended by itself; its last frame is not read yet
        self._stopped = False  # while frames were pending
        self._error: BridgeError = fault_error(RESET)

    # -- for the task that answers the call ----------------------------------------------------------

    async def begin(self, first_event_timeout: float) -> None:
        """Waits for the first event, for a limited time. Raises the error that comes in its place."""
        first = self._first
        if first_event_timeout <= 0:
            first.give_up()
        self._reply.push(self, _SLICE)
        timer = asyncio.get_running_loop().call_later(first_event_timeout, first.give_up)
        try:
            while not first.full and await self._step():
                continue
        finally:
            timer.cancel()
        self._reply.pause()
        if first.event is not None:  # else comments, which some backends send before an error
            error = leading_error(first.event)
            if error is not None:
                raise error
        elif not first.full:
            raise self._error

    async def send(self, sink: Sink) -> None:
        """Writes the frames, then the end if the upstream sent none."""
        first, self._sink = self._first, sink
        try:
            self._write(first.take())  # the client may be full already
            while await self._step():
                continue
        except StoreDown:
            self._error = fault_error(STORE_DOWN)
        except Exception as error:
            self._fail(error)
        self._over = True  # also for a client that drains while the end waits
        end = await self._end()
        if end:
            sink.write(masked(end, self._run.target))

    async def _step(self) -> bool:
        """Awaits one thing: a write to the store, or what arrives next. False at the end of the stream."""
        if self._pending is not None:
            await self._persist(self._pending)
            return True
        if self._tap.ended:
            await self._read_trailer()
            return self._read_last_frame()
        if self._over:
            return self._read_last_frame()
        if not self._sink.full:
            self._reply.resume()
        await self._attention.wait()
        self._attention.clear()
        return True

    async def _persist(self, frames: bytes) -> None:
        """Writes what must be written before the pending frames, then passes these on."""
        tap = self._tap
        try:
            if self._new_ids:
                await self._run.ownership.record(self._new_ids)
            if tap.ended:
                await self._finish()
        except BaseException:
            tap.withhold()
            raise
        finally:
            self._pending = None
        if self._stopped and not tap.ended:
            tap.withhold()
        else:
            self._write(self._client_frames(frames))

    async def _read_trailer(self) -> None:
        """Reads what follows the end, for a limited time: a stream may stay open."""
        if self._over:
            return
        self._attention.clear()
        timer = asyncio.get_running_loop().call_later(_TRAILER_SECONDS, self._attention.set)
        self._reply.resume()
        try:
            await self._attention.wait()
        finally:
            timer.cancel()
        if not self._over:
            self._over = self._complete = True

    def _read_last_frame(self) -> bool:
        """Reads an event that lacks its blank line at the end. Returns whether there is one."""
        if self._complete:
            self._complete = False
            remainder = self._cut.remainder
            last = last_frame(remainder)
            if last:
                self._read(last)
                return True
            self._error = error_as_json(remainder) or self._error
        return False

    def keepalive(self) -> bytes:
        """A comment frame: every write ends with a whole frame, and nothing else may be added to a relayed
        stream. None while frames wait for the store.
        """
        return b"" if self._tap.ended or self._pending is not None else sse.KEEPALIVE

    async def close(self) -> None:
        """Reads no further. Breaks reference cycles."""
        self._over = True
        self._sink = NO_SINK

    @property
    def response_id(self) -> str | None:
        """The response's id, once the upstream has sent it."""
        return self._tap.response_id

    @property
    def outcome(self) -> str:
        """How the stream ended; `cancel` if it was left before its end."""
        return self._tap.status if self._tap.ended else "cancel"

    @property
    def usage(self) -> Usage | None:
        """The usage that the upstream has reported so far."""
        return self._tap.usage

    # -- a Receiver ----------------------------------------------------------------------------------

    def on_data(self, data: bytes, /) -> None:
        """Passes on the whole frames of one read."""
        if self._over:
            return
        try:
            frames = self._cut.feed(data)
            if frames:
                self._read(frames)
        except sse.FrameTooLarge:
            self._error = fault_error(TOO_LARGE)
            self._stop_reading()
        except Exception as error:
            self._fail(error)
            self._stop_reading()

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        """Notes why no more arrives."""
        if self._over:
            return
        if error is None:
            self._complete = True
        else:
            self._stopped = self._pending is not None
            self._error = fault_error(error.fault) if isinstance(error, StreamInterrupted) else error
        self._stop_reading()

    def _read(self, frames: bytes) -> None:
        """Reads frames with the tap and writes them; or leaves them pending for a write to the store."""
        tap = self._tap
        if tap.ended:
            self._write(self._client_frames(frames))
            return
        deltas = frames.count(_DELTA)
        if deltas:
            if not self.deltas:
                self._run.note_content()
            self.deltas += deltas
        try:
            new_ids = tap.feed(frames)
            if new_ids or tap.ended:
                self._pending, self._new_ids = frames, new_ids
                self._reply.pause()
                self._attention.set()
            else:
                self._write(self._client_frames(frames))
        except BaseException:
            tap.withhold()
            raise

    def _write(self, frames: bytes) -> None:
        sink = self._sink
        sink.write(frames)
        if sink.full:
            self._reply.pause()
            sink.on_drained(self._resume)

    def _resume(self) -> None:
        if self._pending is None and not self._over:
            self._reply.resume()

    def _stop_reading(self) -> None:
        self._over = True
        self._reply.pause()
        self._attention.set()

    def _fail(self, error: Exception) -> None:
        log.error("%s: cannot relay the stream", self.response_id, exc_info=error)
        release_frames(error)
        self._error = BridgeError("The gateway failed to relay the answer.")

    def _client_frames(self, frames: bytes) -> bytes:
        """The frames as the client gets them, unchanged except for secrets, hidden usage and late events."""
        if self._tap.ended:
            frames = self._end_filter.pass_on(frames, self._tap.end)
        if self._hide_usage:
            frames = without_usage(frames)
        return masked(frames, self._run.target) if self._tap.saw_error else frames

    async def _finish(self) -> None:
        """Keeps the response and settles the call, before the end passes."""
        run, parts, tap = self._run, self._run.parts, self._tap
        if self._keep and tap.status != "failed":
            response = await run_in_thread(tap.response, parts.ids, parts.clock)
            if response is not None:
                await run.keep(response)
            else:
                run.stream_losses.add("store", "not kept: the answer is too large")
        await self._settle()

    async def _end(self) -> bytes:
        """The end that the upstream did not send; empty if it did."""
        end = self._tap.close(self._error)
        if end:
            try:
                await self._finish()
            except StoreDown:  # it looked complete, but is not kept
                self._tap.withhold()
                end = self._tap.close(fault_error(STORE_DOWN))
                await self._settle()
        return end

    async def _settle(self) -> None:
        meter = self._run.meter
        if meter.has_reservations:
            await meter.settle(self.usage, deltas=self.deltas)
