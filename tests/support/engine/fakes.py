"""Fakes of the engine's neighbours, some forty lines each.

An answer is a list of steps, played in order: bytes (or a call on the writer) arrive, an `asyncio.Event` is
awaited, an exception is raised. `stop` ends any wait, as on a socket.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, from_fault
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.net.transport import Receiver, StreamInterrupted
from chat2response.net.whole_body import WholeBody
from chat2response.stores import MemoryStore
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import OnKind
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.headers import HeaderList
from chat2response.wire.json import decode, encode

SSE = "text/event-stream"
JSON = "application/json"


class FakeReply:
    """A Reply that pushes its steps as the bytes that arrive: all at once, up to a wait or a pause."""

    def __init__(
        self, *steps: Any, status: int = 200, media_type: str = SSE, headers: HeaderList | None = None
    ) -> None:
        self.steps = list(steps)
        self.status = status
        self.media_type = media_type
        self.headers: HeaderList = headers or []
        self.finished = False
        self.stopped: Fault | None = None
        self.waiting = asyncio.Event()
        """Set once a wait has begun, so that a test can act meanwhile."""
        self.paused = False
        self._receiver: Receiver | None = None
        self._script: Iterator[Any] = iter(steps)
        self._wait: asyncio.Task[None] | None = None

    @property
    def claims_stream(self) -> bool | None:
        return "event-stream" in self.media_type

    def sniff(self, on_kind: OnKind) -> None:
        on_kind("events" if self.claims_stream else "json")

    def push(self, receiver: Receiver, slice_size: int = 0) -> None:
        self._receiver = receiver
        self.paused = False
        self._play()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self._play()

    async def read(self, limit: int = 2**30) -> bytes:
        body = WholeBody(limit)
        self.push(body)
        return await body.wait()

    def stop(self, fault: Fault) -> None:
        self.stopped = self.stopped or fault
        self._end(StreamInterrupted(self.stopped))

    async def close(self) -> None:
        """Plays no further."""
        self._receiver = None
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.cancel()
            await asyncio.wait({wait})

    def data(self, step: Any) -> bytes:
        """The bytes of a step."""
        return bytes(step)

    def _play(self) -> None:
        while self._receiver is not None and not self.paused and self._wait is None:
            if self.stopped is not None:
                self._end(StreamInterrupted(self.stopped))
            else:
                self._take(next(self._script, None))

    def _take(self, step: Any) -> None:
        assert self._receiver is not None
        if step is None:
            self._end(None)
        elif isinstance(step, asyncio.Event):
            self._wait = asyncio.ensure_future(self._wait_for(step))
        elif isinstance(step, StreamInterrupted | UpstreamError):
            self._end(step)
        elif data := self.data(step):
            self._receiver.on_data(data)

    async def _wait_for(self, event: asyncio.Event) -> None:
        self.waiting.set()
        await event.wait()
        self._wait = None
        self._play()

    def _end(self, error: StreamInterrupted | UpstreamError | None) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_end(error)


class Ticking(FakeReply):
    """Sends comments for ever, each in a turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._script = self._ticks()

    def _ticks(self) -> Iterator[Any]:
        while True:
            turn = asyncio.Event()
            asyncio.get_running_loop().call_soon(turn.set)
            yield turn
            yield b": tick\n\n"


class FakeTurn(FakeReply):
    """A reply whose steps are calls on the writer (`lambda writer: writer.text("Hi")`), for `FakeDialect`."""

    def data(self, step: Any) -> bytes:
        return b": comment\n\n" if step is comment else b"data: %d\n\n" % self.steps.index(step)


class FakeReader:
    """Reads a FakeTurn: each payload is the number of a step."""

    losses = Losses()
    output_chars = 0

    def __init__(self, turn: FakeTurn, writer: Writer) -> None:
        self.done = False
        self.started = False
        self._turn = turn
        self._writer = writer
        self.losses = writer.losses

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        self.started = True
        self._turn.steps[int(data)](self._writer)

    def value(self, answer: Any, /) -> None:
        raise NotImplementedError

    def close(self, fault: Fault | None = None, /) -> None:
        if not self.done and (fault is not None or not _ended(self._writer)):
            self.done = True
            self._writer.end_turn(None, from_fault(fault or RESET))

    def fail(self, error: UpstreamError) -> None:
        raise error


def _ended(writer: Any) -> bool:
    """Whether a step has ended the turn."""
    while not hasattr(writer, "outcome"):
        writer = writer._inner
    return writer.outcome is not None


class FakeDecoder:
    """Returns whole answers as they are, and reads a FakeTurn."""

    def __init__(self, upstream: "FakeUpstream") -> None:
        self._upstream = upstream

    def reader(self, writer: Writer) -> FakeReader:
        return FakeReader(self._upstream.latest, writer)

    def response(self, answer: Any, *_: Any) -> Any:
        if isinstance(self._upstream.answer, BaseException):
            raise self._upstream.answer
        return answer


class FakeDialect(Dialect):
    """An upstream's API in which `FakeUpstream` answers. `like`: the real one that it stands for."""

    title = "Fake"
    path = "/fake"

    def __init__(self, upstream: "FakeUpstream", like: Dialect) -> None:
        self.name = like.name  # type: ignore[misc]
        self.stateful = like.stateful  # type: ignore[misc]
        self.seals_reasoning = like.seals_reasoning  # type: ignore[misc]
        self.stops_at_strings = like.stops_at_strings  # type: ignore[misc]
        self._upstream = upstream

    def write_request(self, hub: Any, backend: Any, losses: Losses) -> tuple[bytes, FakeDecoder]:
        return b'{"made": "by the upstream"}', FakeDecoder(self._upstream)

    def decoder(self, backend: Any, form: Any) -> FakeDecoder:
        return FakeDecoder(self._upstream)

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    peek = read_request = encoder = write_response = tap = _unused


def comment(writer: Writer) -> None:
    """A step without an event."""


def says(text: str) -> Callable[[Writer], None]:
    """A step: the model writes text."""
    return lambda writer: writer.text(text)


def ends(outcome: Outcome | None = None) -> Callable[[Writer], None]:
    """A step: the turn ends."""
    usage: Any = {
        "input_tokens": 3,
        "input_tokens_details": {},
        "output_tokens": 2,
        "output_tokens_details": {},
        "total_tokens": 5,
    }
    return lambda writer: writer.end_turn(usage, outcome or Outcome())


class FakeUpstream:
    """An Upstream that returns `answer`: a FakeReply, a whole answer, an error, or a list of them in turn.

    `gate`: is awaited before the head. `entered` counts the replies, `left` those that were closed.
    """

    def __init__(self, answer: Any, gate: asyncio.Event | None = None) -> None:
        self.answer = answer
        self.gate = gate
        self.requests: list[Any] = []
        self.called = asyncio.Event()
        self.entered = 0
        self.left = 0
        self.cancelled = 0
        self.latest: Any = None
        """The reply that was sent last."""

    @asynccontextmanager
    async def send(self, body: bytes, target: Any, context: Any) -> AsyncIterator[Any]:
        self.requests.append(body)
        self.called.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        answer = self.answer[self.entered] if isinstance(self.answer, list) else self.answer
        if isinstance(answer, BaseException):
            raise answer
        self.latest = answer if isinstance(answer, FakeReply) else FakeReply(encode(answer), media_type=JSON)
        self.entered += 1
        reply = self.latest
        try:
            yield reply
        finally:
            await reply.close()
            self.left += 1

    async def models(self, target: Any, context: Any) -> bytes:
        raise NotImplementedError


class FragileStore(MemoryStore):
    """Refuses every write once `down` is set; each write awaits `before`."""

    down = False
    before: Callable[[], Awaitable[None]] | None = None

    async def put(self, *args: Any, **more: Any) -> bool:
        if self.before is not None:
            await self.before()
        if self.down:
            raise StoreDown("it was pulled out")
        return await super().put(*args, **more)


def events_of(stream: bytes) -> list[Any]:
    """The decoded payloads of a stream; `[DONE]` as a string."""
    plain = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    blocks = [block for block in plain.split(b"\n\n") if block]
    payloads = []
    for block in blocks:
        data = b"\n".join(line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        if data:
            payloads.append("[DONE]" if data == b"[DONE]" else decode(data))
    return payloads
