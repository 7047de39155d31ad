"""Relays an answer: the client gets the upstream's bytes."""

import asyncio
import logging
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chat2response.convert.errors.upstream_errors import read_error_event, read_upstream_error
from chat2response.convert.outcome import fault_error
from chat2response.engine.lookahead import Lookahead, deadline_in
from chat2response.engine.ownership import Ownership
from chat2response.engine.relay.stream_end import StreamEndFilter
from chat2response.engine.relay.taps import Tap
from chat2response.engine.relay.usage_filter import without_usage
from chat2response.errors import BridgeError, UpstreamError, release_frames
from chat2response.net.transport import StreamInterrupted
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import RawReply, Target
from chat2response.upstreams.error_responses import mask, refusal_error
from chat2response.upstreams.whole_answers import check_answer
from chat2response.wire import sse
from chat2response.wire.fault import RESET, STORE_DOWN, TOO_LARGE
from chat2response.wire.json import JSONError, decode, decode_leniently
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.responses import Usage

log = logging.getLogger("chat2response.engine")

_LINE_ENDS = b"\r\n"
_DELTA = b'"delta"'
_MAX_BUFFERED = 64 * 1024  # bytes of comments that are buffered before the first event
_OPENS_WITH_ERROR = re.compile(rb'\s*\{\s*"error"\s*:\s*[{"]')
_OPENS_OBJECT = re.compile(rb"[ \t\r\n]*+\{")
_TRAILER_SECONDS = 0.25  # seconds to wait for `[DONE]` or a comment after the end


@dataclass(slots=True)  # not frozen: one is created per call, and freezing is most of its cost
class WholeReply:
    """An answer whose whole body has been read."""

    body: bytes
    media_type: str


async def read_whole_reply(
    reply: RawReply, target: Target, ownership: Ownership, *, stored: bool
) -> WholeReply:
    """Reads a JSON answer or an error and records the owner of its ids; its bytes stay unchanged.

    Raises UpstreamError for an error that must not be relayed: a rejected gateway key, a shape that OpenAI
    clients cannot read, a missing endpoint, or an error with status 200, which an SDK would take for an empty
    answer.
    """
    body = await reply.read()
    await check_answer(body)
    large = is_large(body)
    if reply.status >= 300:
        return await run_in_thread_if(large, _read_refusal, body, reply, target)
    error = await run_in_thread_if(large, _error_as_answer, body)
    if error is not None:
        raise error
    if not _OPENS_OBJECT.match(body):  # an unexpected stream or plain text: no answer of either API
        return WholeReply(await run_in_thread_if(large, _masked, body, target), reply.media_type)
    await ownership.record_body(body, stored=stored)
    return WholeReply(body, reply.media_type)


def _read_refusal(body: bytes, reply: RawReply, target: Target) -> WholeReply:
    key_rejected = target.managed and reply.status in (401, 403)
    error = refusal_error(body, reply.status, reply.headers, target)
    if not key_rejected and reply.status >= 400 and not error.no_endpoint and _is_error_object(body):
        return WholeReply(_masked(body, target), reply.media_type)
    raise error


def _error_as_answer(body: bytes) -> UpstreamError | None:
    """The error in a body with status 200, if it is one. A failed response is an answer."""
    if not _OPENS_WITH_ERROR.match(body):
        return None  # avoids decoding ordinary answers
    try:
        value = decode(body)
    except JSONError:
        return None
    return None if value.get("object") == "response" else read_upstream_error(value)


def _is_error_object(body: bytes) -> bool:
    try:
        value = decode(body)
    except JSONError:
        return False
    return type(value) is dict and type(value.get("error")) is dict


class RelayedStream:
    """Relays a stream up to the last whole frame of each read, and adds an end if the upstream sends none.

    `tap` reads a copy of the frames. Only the record of new ids' owners may delay a frame (law 6, persist,
    then announce), and only the gateway's secrets in an error message are changed.
    """

    def __init__(
        self, reply: RawReply, tap: Tap, ownership: Ownership, target: Target, *, hide_usage: bool = False
    ) -> None:
        self.deltas = 0
        """The approximate number of output deltas."""
        self._tap = tap
        self._hide_usage = hide_usage
        self._reply = reply
        self._target = target
        self._ownership = ownership
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
                error = _leading_error(event)
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
        end = self._tap.close(self._error)
        if end:
            yield _masked(end, self._target)

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
    def ended(self) -> bool:
        """Whether the last batch contains the end."""
        return self._tap.ended

    @property
    def usage(self) -> Usage | None:
        """The usage that the upstream has reported so far."""
        return self._tap.usage

    async def _frames(self) -> AsyncIterator[bytes]:
        """Whole frames, after the tap has read them and their ids are recorded."""
        try:
            chunks = self._reply.chunks()
            async for data in chunks:
                frames = self._cut.feed(data)
                if frames:
                    await self._record(frames)
                    client_frames = [self._client_frames(frames)]
                    del data, frames
                    yield client_frames.pop()
                    if self._tap.ended:
                        break
            async for data in _chunks_within(_TRAILER_SECONDS, chunks):
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
            last_frame = _last_frame(self._cut.remainder)
            if last_frame:
                await self._record(last_frame)
                yield self._client_frames(last_frame)
            else:
                self._error = _error_as_json(self._cut.remainder) or self._error

    def _client_frames(self, frames: bytes) -> bytes:
        """The frames as the client gets them, unchanged except for secrets, hidden usage and late events."""
        if self._tap.ended:
            frames = self._end_filter.pass_on(frames, self._tap.end)
        if self._hide_usage:
            frames = without_usage(frames)
        return _masked(frames, self._target) if self._tap.saw_error else frames

    async def _record(self, frames: bytes) -> None:
        self.deltas += frames.count(_DELTA)
        try:
            new_ids = self._tap.feed(frames)
            if new_ids:
                await self._ownership.record(new_ids)
        except BaseException:
            self._tap.withhold()
            raise


def _masked(data: bytes, target: Target) -> bytes:
    text = data.decode("utf-8", "surrogateescape")  # keeps bytes that are not UTF-8
    return mask(text, target).encode("utf-8", "surrogateescape")


async def _chunks_within(seconds: float, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks that arrive within `seconds`: a stream may stay open after its end."""
    deadline = deadline_in(seconds)
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                data = await anext(chunks)
        except (StopAsyncIteration, TimeoutError):
            return
        yield data


def _last_frame(tail: bytes) -> bytes:
    """The last event, completed with the blank line it lacks; empty if the event was cut off.

    A lone line end belongs to the blank line before it (a CRLF that two reads split).
    """
    if not tail.strip(_LINE_ENDS):
        return tail
    data = sse.payload(tail)
    if data is None:
        return b""
    if data != sse.DONE:
        try:
            decode_leniently(data)
        except JSONError:
            return b""
    return tail.rstrip(_LINE_ENDS) + b"\n\n"


def _error_as_json(body: bytes) -> UpstreamError | None:
    """The error in a JSON body that was sent in place of a stream."""
    if not _OPENS_OBJECT.match(body.removeprefix(BOM_UTF8)):
        return None
    try:
        return read_upstream_error(decode_leniently(body))
    except JSONError:
        return None


def _leading_error(event: bytes) -> BridgeError | None:
    """The error that a stream's first event contains, if it does."""
    if type(event) is sse.ErrorPayload:
        return read_error_event(event)
    if b"error" not in event and b'"detail"' not in event and b'"message"' not in event:
        return None  # nearly every stream
    try:
        return read_upstream_error(decode_leniently(event))
    except JSONError:
        return UpstreamError("The upstream's stream cannot be read.")
