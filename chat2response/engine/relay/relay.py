"""Down by relay: the upstream's bytes are the client's bytes."""

import asyncio
import logging
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chat2response.convert.errors.upstream_errors import error_event, upstream_error
from chat2response.convert.outcome import fault_error
from chat2response.engine.lookahead import Ahead, deadline_in
from chat2response.engine.ownership import Ownership
from chat2response.engine.relay.stream_end import LastWords
from chat2response.engine.relay.taps import Tap
from chat2response.engine.relay.usage_filter import without_usage
from chat2response.errors import BridgeError, UpstreamError, release_frames
from chat2response.net.transport import Cut
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import RawReply, Target
from chat2response.upstreams.upstream_refusals import mask, refusal_of
from chat2response.upstreams.whole_answers import check_answer
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode, decode_leniently
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.machine import RESET, STORE_DOWN, TOO_LARGE
from chat2response.wire.responses import Usage

log = logging.getLogger("chat2response.engine")

_LINE_ENDS = b"\r\n"
_DELTA = b'"delta"'
_MAX_HELD = 64 * 1024  # bytes of comments that are held back until the first event
_OPENS_WITH_ERROR = re.compile(rb'\s*\{\s*"error"\s*:\s*[{"]')
_OPENS_OBJECT = re.compile(rb"[ \t\r\n]*+\{")
_LAST_WORDS = 0.25  # seconds for what may follow the end of a stream: `[DONE]`, a comment


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class Whole:
    """An answer that was read whole."""

    body: bytes
    media_type: str


async def whole_reply(reply: RawReply, target: Target, ownership: Ownership, *, kept: bool) -> Whole:
    """A JSON answer, or a refusal: the bytes as they are, once their owner is recorded.

    Raises UpstreamError for a refusal that must not pass as it is: of our own key, in a shape that no OpenAI
    client reads, of an endpoint that the upstream does not have, or with status 200 (to the SDK an answer
    without content, or a stream without events).
    """
    body = await reply.read()
    await check_answer(body)
    large = is_large(body)
    if reply.status >= 300:
        return await run_in_thread_if(large, _refused, body, reply, target)
    error = await run_in_thread_if(large, _error_as_answer, body)
    if error is not None:
        raise error
    if not _OPENS_OBJECT.match(body):  # no answer of either API: a stream unasked, or mere words
        return Whole(await run_in_thread_if(large, _masked, body, target), reply.media_type)
    await ownership.record_body(body, kept=kept)
    return Whole(body, reply.media_type)


def _refused(body: bytes, reply: RawReply, target: Target) -> Whole:
    ours = target.managed and reply.status in (401, 403)
    error = refusal_of(body, reply.status, reply.headers, target)
    if not ours and reply.status >= 400 and not error.no_endpoint and _is_error_object(body):
        return Whole(_masked(body, target), reply.media_type)
    raise error


def _error_as_answer(body: bytes) -> UpstreamError | None:
    """The error that a body with status 200 is. A failed response is an answer, and no such error."""
    if not _OPENS_WITH_ERROR.match(body):
        return None  # answers are not decoded for this
    try:
        value = decode(body)
    except JSONError:
        return None
    return None if value.get("object") == "response" else upstream_error(value)


def _is_error_object(body: bytes) -> bool:
    try:
        value = decode(body)
    except JSONError:
        return False
    return type(value) is dict and type(value.get("error")) is dict


class RelayedStream:
    """Passes a stream on, up to the last whole frame of each read; gives it an end if it has none.

    `tap` learns from what passes. The one thing that may delay a frame is the owner record of the ids in
    it: what a client was told exists, must exist. The one thing that may change in it is a secret of ours
    in the words of an error.
    """

    def __init__(
        self, reply: RawReply, tap: Tap, ownership: Ownership, target: Target, *, hide_usage: bool = False
    ) -> None:
        self.deltas = 0
        """How many pieces the model has said, roughly."""
        self._tap = tap
        self._hide_usage = hide_usage
        self._reply = reply
        self._target = target
        self._ownership = ownership
        self._cut = sse.FrameSplitter()
        self._last_words = LastWords()
        self._ahead = Ahead(self._frames())
        self._first = b""
        self._error: BridgeError = fault_error(RESET)

    async def begin(self, hold: float) -> None:
        """Waits for the first event, `hold` seconds at most. Raises the error it is, or that came instead."""
        deadline = deadline_in(hold)
        while len(self._first) < _MAX_HELD and await self._ahead.wait(deadline):
            try:
                frames = await self._ahead.step()
            except StopAsyncIteration:
                raise self._error from None
            self._first += frames
            event = sse.first_payload(frames.removeprefix(BOM_UTF8))
            if event is not None:  # else comments only, which some backends send before an error
                error = _leading_error(event)
                if error is not None:
                    raise error
                return

    async def batches(self) -> AsyncIterator[bytes]:
        """The frames, then the end that was missing."""
        try:
            first, self._first = self._first, b""
            if first:
                yield first
                del first
            yield await self._ahead.step()
            while True:  # a loop variable would keep what a client that does not read has yet to take
                yield await anext(self._ahead.source)
        except StopAsyncIteration:
            pass
        except StoreDown:
            self._error = fault_error(STORE_DOWN)
        except Exception:
            log.exception("%s: the stream could not be passed on", self.response_id)
            self._error = BridgeError("The gateway failed while it was passing the answer on.")
        end = self._tap.close(self._error)
        if end:
            yield _masked(end, self._target)

    def beat(self) -> bytes:
        """A comment: what passes ends with a whole frame each time, and nothing else may be added to it."""
        return b"" if self._tap.ended else sse.KEEP_ALIVE

    async def close(self) -> None:
        """Ends what was begun ahead."""
        await self._ahead.close()

    @property
    def response_id(self) -> str | None:
        """The response's id, once the upstream has told it."""
        return self._tap.response_id

    @property
    def outcome(self) -> str:
        """How it ended; `cancel` where nobody waited for its end."""
        return self._tap.status if self._tap.ended else "cancel"

    @property
    def over(self) -> bool:
        """Whether the batch that was made last holds the end."""
        return self._tap.ended

    @property
    def usage(self) -> Usage | None:
        """What it used, as far as the upstream has said."""
        return self._tap.usage

    async def _frames(self) -> AsyncIterator[bytes]:
        """Whole frames, tapped and recorded."""
        try:
            chunks = self._reply.chunks()
            async for data in chunks:
                frames = self._cut.feed(data)
                if frames:
                    await self._note(frames)
                    shown = [self._shown(frames)]
                    del data, frames
                    yield shown.pop()
                    if self._tap.ended:
                        break
            async for data in _within(_LAST_WORDS, chunks):
                frames = self._shown(self._cut.feed(data))
                if frames:
                    yield frames
        except sse.FrameTooLarge:
            self._error = fault_error(TOO_LARGE)
        except Cut as cut:
            self._error = fault_error(cut.fault)
        except UpstreamError as error:  # a body in a coding that cannot be undone
            release_frames(error)
            self._error = error
        else:
            rest = _last_frame(self._cut.remainder)
            if rest:
                await self._note(rest)
                yield self._shown(rest)
            else:
                self._error = _error_in_place(self._cut.remainder) or self._error

    def _shown(self, frames: bytes) -> bytes:
        """As the client gets them: nearly always as they are."""
        if self._tap.ended:
            frames = self._last_words.pass_on(frames, self._tap.end)
        if self._hide_usage:
            frames = without_usage(frames)
        return _masked(frames, self._target) if self._tap.erred else frames

    async def _note(self, frames: bytes) -> None:
        self.deltas += frames.count(_DELTA)
        try:
            made = self._tap.feed(frames)
            if made:
                await self._ownership.record(made)
        except BaseException:
            self._tap.withhold()
            raise


def _masked(data: bytes, target: Target) -> bytes:
    text = data.decode("utf-8", "surrogateescape")  # whatever is no UTF-8 stays as it is
    return mask(text, target).encode("utf-8", "surrogateescape")


async def _within(seconds: float, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What comes in so long and no longer: a stream that has had its end need not be closed by its sender."""
    deadline = deadline_in(seconds)
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                data = await anext(chunks)
        except (StopAsyncIteration, TimeoutError):
            return
        yield data


def _last_frame(rest: bytes) -> bytes:
    """A last event without its blank line, completed; nothing where it was cut off.

    A lone line end is the rest of the blank line before it (a CRLF that came in two reads).
    """
    if not rest.strip(_LINE_ENDS):
        return rest
    data = sse.payload(rest)
    if data is None:
        return b""
    if data != sse.DONE:
        try:
            decode_leniently(data)
        except JSONError:
            return b""
    return rest.rstrip(_LINE_ENDS) + b"\n\n"


def _error_in_place(body: bytes) -> UpstreamError | None:
    """The error that stands as JSON where a stream was announced."""
    if not _OPENS_OBJECT.match(body.removeprefix(BOM_UTF8)):
        return None
    try:
        return upstream_error(decode_leniently(body))
    except JSONError:
        return None


def _leading_error(event: bytes) -> BridgeError | None:
    """The error that a stream consists of, when its first event is one."""
    if type(event) is sse.ErrorPayload:
        return error_event(event)
    if b"error" not in event and b'"detail"' not in event and b'"message"' not in event:
        return None  # nearly every stream
    try:
        return upstream_error(decode_leniently(event))
    except JSONError:
        return UpstreamError("The upstream's stream cannot be read.")
