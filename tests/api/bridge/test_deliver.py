"""The bridge sends a pushed stream: over our own server's sink, and over any other ASGI server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from chat2response.api.bridge.bridge import deliver
from chat2response.api.bridge.timed_sink import StreamTimeouts
from chat2response.api.http.request import Request
from chat2response.convert.losses import Losses
from chat2response.engine.call import SSE_TYPE, Answer
from chat2response.engine.run import Run
from chat2response.engine.sink import Sink
from chat2response.wire.fault import CANCELLED, Fault
from tests.support.chunked_body import chunked_body, is_complete
from tests.support.cli.server_protocol import Served

REQUEST = b"POST /v1/responses HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
FRAMES = (b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n")
LARGE = b"data: %b\n\n" % (b"x" * 100_000)


class FakeStream:
    """A stream that runs `steps`."""

    def __init__(self, steps: Callable[[Sink], Awaitable[None]]) -> None:
        self.steps = steps

    async def send(self, sink: Sink) -> None:
        await self.steps(sink)

    def keepalive(self) -> bytes:
        return b""


class FakeRun:
    """A run whose answer is a stream; `stopped` is set by `stop`."""

    record = None

    def __init__(self, steps: Callable[[Sink], Awaitable[None]]) -> None:
        self.answer = Answer(200, SSE_TYPE, [(b"x-upstream", b"1")], Losses(), None, FakeStream(steps))
        self.faults: list[Fault] = []
        self.stopped = asyncio.Event()
        self.ended = False

    def stop(self, fault: Fault) -> None:
        self.faults.append(fault)
        self.stopped.set()

    async def __aenter__(self) -> Answer:
        return self.answer

    async def __aexit__(self, *_: object) -> None:
        self.ended = True


class Gateway(Served):
    """A connection to an application that delivers one stream. `extensions`: as under our own server."""

    def __init__(self, run: FakeRun, *, extensions: bool = True) -> None:
        self.run = run
        self.extensions = extensions
        self.size = 0
        self.error: BaseException | None = None
        super().__init__()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.extensions:
            scope = {**scope, "extensions": None}
        request = Request(scope, receive, send)
        await request.body(1000)
        try:
            await deliver(cast("Run", self.run), request, StreamTimeouts())
        except BaseException as error:
            self.error = error
        self.size = request.size

    @property
    def body(self) -> bytes:
        """The body, without the framing of its chunks."""
        return chunked_body(self.wire.out)

    @property
    def complete(self) -> bool:
        """Whether the response has its end."""
        return is_complete(self.wire.out)


both = pytest.mark.parametrize("extensions", [True, False], ids=["own-server", "any-server"])


async def write_all(sink: Sink) -> None:
    for frame in FRAMES:
        sink.write(frame)


async def until_drained(sink: Sink) -> None:
    drained = asyncio.Event()
    sink.on_drained(drained.set)
    await drained.wait()


@both
async def test_a_stream_is_sent_whole_and_ended_once(extensions: bool) -> None:
    run = FakeRun(write_all)
    gateway = await Gateway(run, extensions=extensions).send(REQUEST)
    assert b"x-upstream: 1\r\n" in gateway.wire.out and b"x-accel-buffering: no\r\n" in gateway.wire.out
    assert gateway.body == b"".join(FRAMES)
    assert gateway.complete and gateway.wire.out.count(b"\r\n0\r\n\r\n") == 1
    assert (gateway.size, run.ended, run.faults) == (len(b"".join(FRAMES)), True, [])
    gateway.end()
    assert run.faults == [], "the response had ended"


@both
async def test_frames_arrive_one_by_one_as_they_are_written(extensions: bool) -> None:
    go = [asyncio.Event() for _ in FRAMES]

    async def steps(sink: Sink) -> None:
        for step, frame in zip(go, FRAMES, strict=True):
            await step.wait()
            sink.write(frame)

    gateway = await Gateway(FakeRun(steps), extensions=extensions).send(REQUEST)
    for count, step in enumerate(go, 1):
        step.set()
        await gateway.settle()
        assert gateway.body == b"".join(FRAMES[:count])
    assert gateway.complete
    gateway.end()


async def test_a_stream_waits_for_a_client_of_our_own_server() -> None:
    async def steps(sink: Sink) -> None:
        sink.write(FRAMES[0])
        gateway.protocol.pause_writing()
        sink.write(FRAMES[1])
        assert sink.full
        await until_drained(sink)
        assert not sink.full
        sink.write(FRAMES[2])

    gateway = Gateway(FakeRun(steps))
    await gateway.send(REQUEST)
    assert gateway.body == b"".join(FRAMES[:2])
    gateway.protocol.resume_writing()
    await gateway.settle()
    assert gateway.body == b"".join(FRAMES)
    assert gateway.complete
    gateway.end()


async def test_a_stream_waits_for_a_client_of_any_server_and_the_end_comes_last() -> None:
    async def steps(sink: Sink) -> None:
        gateway.protocol.pause_writing()
        sink.write(LARGE)
        assert sink.full
        await until_drained(sink)
        gateway.protocol.pause_writing()
        sink.write(FRAMES[2])

    gateway = Gateway(FakeRun(steps), extensions=False)
    await gateway.send(REQUEST)
    assert gateway.body == b""
    gateway.protocol.resume_writing()
    await gateway.settle()
    assert gateway.body == LARGE
    gateway.protocol.resume_writing()
    await gateway.settle()
    assert gateway.body == LARGE + FRAMES[2]
    assert gateway.complete
    gateway.end()


@both
@pytest.mark.parametrize("full", [False, True])
async def test_a_disconnect_stops_the_call_also_while_it_waits_for_the_client(
    extensions: bool, full: bool
) -> None:
    async def steps(sink: Sink) -> None:
        sink.write(FRAMES[0])
        if full:
            gateway.protocol.pause_writing()
            sink.write(LARGE)
            await until_drained(sink)
        await run.stopped.wait()
        sink.write(FRAMES[2])

    run = FakeRun(steps)
    gateway = Gateway(run, extensions=extensions)
    await gateway.send(REQUEST)
    before = gateway.wire.out
    gateway.end()
    await gateway.settle()
    assert (run.faults, run.ended, gateway.error) == ([CANCELLED], True, None)
    assert gateway.wire.out == before


@both
async def test_an_error_of_the_stream_leaves_the_response_incomplete_and_no_task(extensions: bool) -> None:
    error = RuntimeError("the engine fails")

    async def steps(sink: Sink) -> None:
        sink.write(FRAMES[0])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sink.write(FRAMES[1])
        raise error

    before = asyncio.all_tasks()
    run = FakeRun(steps)
    gateway = await Gateway(run, extensions=extensions).send(REQUEST)
    gateway.end()
    await gateway.settle()
    assert gateway.error is error
    assert run.ended and not gateway.complete
    assert gateway.body.startswith(FRAMES[0])
    assert asyncio.all_tasks() == before


@both
async def test_the_end_of_the_stream_ends_its_timer(
    extensions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles: list[asyncio.TimerHandle] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def recorded(delay: float, callback: Any, *args: Any) -> asyncio.TimerHandle:
        handle = call_later(delay, callback, *args)
        if delay == StreamTimeouts().keepalive:
            handles.append(handle)
        return handle

    monkeypatch.setattr(loop, "call_later", recorded)
    gateway = await Gateway(FakeRun(write_all), extensions=extensions).send(REQUEST)
    assert [handle.cancelled() for handle in handles] == [True]
    gateway.end()
