"""Fakes of the engine's neighbours, some forty lines each.

An answer is a list of steps, played in order: bytes (or a call on the writer) arrive, an `asyncio.Event` is
awaited, an exception is raised. `stop` ends any wait, as on a socket.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, from_fault
from chat2response.convert.writer.protocol import Writer
from chat2response.net.transport import StreamInterrupted, cut_error
from chat2response.stores import MemoryStore
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import Reply
from chat2response.wire.fault import Fault
from chat2response.wire.headers import HeaderList
from chat2response.wire.json import decode

SSE = "text/event-stream"
JSON = "application/json"


class Stage:
    """Plays steps until they end or `stop` is called."""

    def __init__(self, steps: Iterable[Any]) -> None:
        self.steps = list(steps)
        self.stopped: Fault | None = None
        self.waiting = asyncio.Event()
        """Set once a wait has begun, so that a test can act meanwhile."""
        self._stop = asyncio.Event()

    def stop(self, fault: Fault) -> None:
        self.stopped = fault
        self._stop.set()

    async def play(self) -> AsyncIterator[Any]:
        """Yields the steps that are neither waits nor errors. Raises StreamInterrupted once stopped."""
        for step in self.steps:
            if isinstance(step, asyncio.Event):
                await self._wait(step)
            if self.stopped is not None:
                raise StreamInterrupted(self.stopped)
            if isinstance(step, BaseException):
                raise step
            if not isinstance(step, asyncio.Event):
                yield step

    async def _wait(self, event: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self._stop)]
        self.waiting.set()
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class FakeReply(Stage):
    """A RawReply."""

    def __init__(
        self, *steps: Any, status: int = 200, media_type: str = SSE, headers: HeaderList | None = None
    ) -> None:
        super().__init__(steps)
        self.status = status
        self.media_type = media_type
        self.headers: HeaderList = headers or []

    async def streams(self) -> bool:
        return "event-stream" in self.media_type

    def chunks(self) -> AsyncIterator[bytes]:
        return self.play()

    async def read(self) -> bytes:
        try:
            return b"".join([data async for data in self.play()])
        except StreamInterrupted as cut:
            raise cut_error(cut.fault) from None


class FakeTurn(Stage):
    """A Turn: its steps are calls on the writer (`lambda writer: writer.text("Hi")`)."""

    def __init__(self, *steps: Any, headers: HeaderList | None = None) -> None:
        super().__init__(steps)
        self.status = 200
        self.headers: HeaderList = headers or []
        self.losses = Losses()
        self.started = False
        self.output_chars = 0
        self.writer: Writer

    async def reads(self) -> AsyncIterator[None]:
        try:
            async for step in self.play():
                step(self.writer)
                self.started = self.started or step is not comment
                yield
        except StreamInterrupted as cut:
            self.writer.end_turn(None, from_fault(cut.fault))


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
    """An Upstream that returns `answer`: a FakeReply, a FakeTurn, a whole answer, or an error.

    `gate`: is awaited before the head. `left` counts the closed contexts.
    """

    def __init__(self, answer: Any, gate: asyncio.Event | None = None) -> None:
        self.answer = answer
        self.gate = gate
        self.requests: list[Any] = []
        self.called = asyncio.Event()
        self.entered = 0
        self.left = 0
        self.cancelled = 0

    def body(self, request: Any, target: Any, losses: Losses) -> bytes:
        return b'{"made": "by the upstream"}'

    @asynccontextmanager
    async def _context(self, request: Any) -> AsyncIterator[Any]:
        await self._head(request)
        self.entered += 1
        try:
            yield self.answer
        finally:
            self.left += 1

    async def _head(self, request: Any) -> None:
        self.requests.append(request)
        self.called.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.answer, BaseException):
            raise self.answer

    def open(self, request: Any, target: Any, writer: Writer, context: Any, reasoning: Any) -> Any:
        if isinstance(self.answer, FakeTurn):
            self.answer.writer = writer
        return self._context(request)

    def relay(self, body: bytes, target: Any, context: Any) -> Any:
        return self._context(body)

    async def once(self, request: Any, target: Any, context: Any) -> Reply:
        await self._head(request)
        return Reply(200, [], Losses(), lambda *_: self.answer)

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
