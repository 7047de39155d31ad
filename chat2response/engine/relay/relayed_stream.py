"""`RelayedStream`: the upstream's own stream, up to the last whole frame of each read."""

import asyncio
import logging
from codecs import BOM_UTF8
from collections.abc import AsyncIterator

from chat2response.convert.dialects.dialect import Tap
from chat2response.convert.outcome import fault_error
from chat2response.engine.lookahead import Lookahead, deadline_in
from chat2response.engine.relay.leading_error import error_as_json, last_frame, leading_error
from chat2response.engine.relay.masking import masked
from chat2response.engine.relay.stream_end import StreamEndFilter
from chat2response.engine.relay.usage_filter import without_usage
from chat2response.engine.run import Run
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
_MAX_BUFFERED = 64 * 1024  # bytes of comments that are buffered before the first event
_TRAILER_SECONDS = 0.25  # seconds to wait for `[DONE]` or a comment after the end


class RelayedStream:
    """Relays a stream, and adds an end if the upstream sends none.

    `tap` reads a copy of the frames. Only two writes to the store may delay a frame (law 6, persist, then
    announce): the owners of new ids, and the finished response. Only the gateway's secrets in an error
    message are changed.
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
        self._lookahead = Lookahead(self._frames())
        self._first = b""
        self._error: BridgeError = fault_error(RESET)

    async def begin(self, first_event_timeout: float) -> None:
        """Waits for the first event, for a limited time. Raises the error that comes in its place."""
        deadline = deadline_in(first_event_timeout)
        while len(self._first) < _MAX_BUFFERED and await self._lookahead.wait(deadline):
            try:
                frames = await self._lookahead.next()
            except StopAsyncIteration:
                raise self._error from None
            self._first += frames
            event = sse.first_payload(frames.removeprefix(BOM_UTF8))
            if event is not None:  # else comments, which some backends send before an error
                error = leading_error(event)
                if error is not None:
                    raise error
                return

    async def batches(self) -> AsyncIterator[bytes]:
        """The frames, then the end if the upstream sent none."""
        try:
            first, self._first = self._first, b""
            if first:
                yield first
                del first
            yield await self._lookahead.next()
            while True:  # a loop variable would keep a batch alive while a slow client blocks
                yield await anext(self._lookahead.source)
        except StopAsyncIteration:
            pass
        except StoreDown:
            self._error = fault_error(STORE_DOWN)
        except Exception:
            log.exception("%s: cannot relay the stream", self.response_id)
            self._error = BridgeError("The gateway failed to relay the answer.")
        end = await self._end()
        if end:
            yield masked(end, self._run.target)

    def keepalive(self) -> bytes:
        """A comment frame: every batch ends with a whole frame, and nothing else may be added to a relayed
        stream.
        """
        return b"" if self._tap.ended else sse.KEEPALIVE

    async def close(self) -> None:
        """Cancels the read that `begin` may have started."""
        await self._lookahead.close()

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

    async def _frames(self) -> AsyncIterator[bytes]:
        """Whole frames, after the tap has read them and their ids are recorded."""
        reply, tap = self._reply, self._tap
        try:
            while data := await reply.chunk():
                frames = self._cut.feed(data)
                if frames:
                    await self._read(frames)
                    client_frames = [self._client_frames(frames)]
                    del data, frames
                    yield client_frames.pop()
                    if tap.ended:
                        break
            async for data in _chunks_within(_TRAILER_SECONDS, reply):
                frames = self._client_frames(self._cut.feed(data))
                if frames:
                    yield frames
        except sse.FrameTooLarge:
            self._error = fault_error(TOO_LARGE)
        except StreamInterrupted as cut:
            self._error = fault_error(cut.fault)
        except UpstreamError as error:  # a content encoding that cannot be decoded
            release_frames(error)
            self._error = error
        else:
            remainder = self._cut.remainder
            last = last_frame(remainder)
            if last:
                await self._read(last)
                yield self._client_frames(last)
            else:
                self._error = error_as_json(remainder) or self._error

    def _client_frames(self, frames: bytes) -> bytes:
        """The frames as the client gets them, unchanged except for secrets, hidden usage and late events."""
        if self._tap.ended:
            frames = self._end_filter.pass_on(frames, self._tap.end)
        if self._hide_usage:
            frames = without_usage(frames)
        return masked(frames, self._run.target) if self._tap.saw_error else frames

    async def _read(self, frames: bytes) -> None:
        """Reads frames before they are relayed, and writes what must be written before."""
        deltas = frames.count(_DELTA)
        if deltas:
            if not self.deltas:
                self._run.note_content()
            self.deltas += deltas
        tap = self._tap
        try:
            new_ids = tap.feed(frames)
            if new_ids:
                await self._run.ownership.record(new_ids)
            if tap.ended:
                await self._finish()
        except BaseException:
            tap.withhold()
            raise

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


async def _chunks_within(seconds: float, reply: Reply) -> AsyncIterator[bytes]:
    """The chunks that arrive within `seconds`: a stream may stay open after its end."""
    deadline = deadline_in(seconds)
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                data = await reply.chunk()
        except TimeoutError:
            return
        if not data:
            return
        yield data
