"""Down by relay: the upstream's bytes are the client's bytes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from chat2response.convert.failures import upstream_error
from chat2response.engine.hold import Ahead
from chat2response.engine.ownership import Ownership
from chat2response.engine.taps import ChatTap, ResponsesTap
from chat2response.errors import BridgeError, UpstreamError
from chat2response.net.transport import Cut, cut_error
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import RawReply, Target
from chat2response.upstreams.refusals import mask, refusal_of
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode
from chat2response.wire.machine import RESET, STORE_DOWN, TOO_LARGE, Fault


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that was read whole."""

    body: bytes
    media_type: str


async def whole_reply(reply: RawReply, target: Target, ownership: Ownership) -> Whole:
    """A JSON answer, or a refusal: the bytes as they are, once their owner is recorded.

    Raises UpstreamError for a refusal that must not pass as it is: of our own key, or in a shape that no
    OpenAI client reads.
    """
    body = await reply.read()
    if reply.status >= 300:
        return _refused(body, reply, target)
    await ownership.record_body(body)
    return Whole(body, reply.media_type)


def _refused(body: bytes, reply: RawReply, target: Target) -> Whole:
    ours = target.managed and reply.status in (401, 403)
    if not ours and reply.status >= 400 and _is_error_object(body):
        text = body.decode("utf-8", "replace")
        masked = mask(text, target)
        return Whole(body if masked == text else masked.encode(), reply.media_type)
    raise refusal_of(body, reply.status, reply.headers, target)


def _is_error_object(body: bytes) -> bool:
    try:
        value = decode(body)
    except JSONError:
        return False
    return type(value) is dict and type(value.get("error")) is dict


class RelayedStream:
    """Passes a stream on, up to the last whole frame of each read; gives it an end if it has none.

    `tap` learns from what passes. The one thing that may delay a frame is the owner record of the ids in
    it: what a client was told exists, must exist.
    """

    def __init__(
        self, reply: RawReply, tap: ResponsesTap | ChatTap, target: Target, ownership: Ownership
    ) -> None:
        self.tap = tap
        self._reply = reply
        self._target = target
        self._ownership = ownership
        self._cut = sse.FrameCut()
        self._ahead = Ahead(self._frames())
        self._first: bytes | None = None
        self._fault: Fault | None = None

    async def begin(self, hold: float) -> None:
        """Waits for the first frames, `hold` seconds at most. Raises the error they are, or bring."""
        if not await self._ahead.wait(hold):
            return
        try:
            first = await self._ahead.step()
        except StopAsyncIteration:
            raise cut_error(self._fault or RESET) from None
        error = _leading_error(first)
        if error is not None:
            error.message = mask(error.message, self._target)
            raise error
        self._first = first

    async def batches(self) -> AsyncIterator[bytes]:
        """The frames, then the end that was missing."""
        try:
            if self._first is not None:
                yield self._first
            else:
                yield await self._ahead.step()
            async for frames in self._ahead.source:
                yield frames
        except StopAsyncIteration:
            pass
        except StoreDown:
            self.tap.ended = False  # its end was seen, but could not be passed on
            self._fault = STORE_DOWN
        end = self.tap.close(self._fault)
        if end:
            yield end

    async def close(self) -> None:
        """Ends what was begun ahead."""
        await self._ahead.close()

    async def _frames(self) -> AsyncIterator[bytes]:
        """Whole frames, tapped and recorded."""
        try:
            async for data in self._reply.chunks():
                frames = self._cut.feed(data)
                if frames:
                    await self._note(frames)
                    yield frames
        except sse.FrameTooLarge:
            self._fault = TOO_LARGE
        except Cut as cut:
            self._fault = cut.fault
        else:
            rest = _last_frame(self._cut.rest)
            if rest:
                await self._note(rest)
                yield rest

    async def _note(self, frames: bytes) -> None:
        self.tap.feed(frames)
        made = self.tap.made()
        if made:
            await self._ownership.record(made)


def _last_frame(rest: bytes) -> bytes:
    """A last event without its blank line, completed; nothing where it was cut off."""
    data = sse.payload(rest)
    if data is None:
        return b""
    if data != sse.DONE:
        try:
            decode(data)
        except JSONError:
            return b""
    return rest.rstrip(b"\r\n") + b"\n\n"


def _leading_error(frames: bytes) -> BridgeError | None:
    """The error that a stream consists of, when its first event is one."""
    if b'"error"' not in frames:
        return None
    first = next(iter(sse.payloads(frames)), b"")
    try:
        return upstream_error(decode(first))
    except JSONError:
        return UpstreamError("The upstream's stream cannot be read.")
