"""The server's own sink, on a connection in memory that a test pauses, drains and closes."""

import asyncio
import gc
import weakref
from dataclasses import dataclass, field
from typing import Any

import pytest

from chat2response.api.http.request import SINK
from chat2response.server.chunked_sink import ChunkedSink
from tests.support.cli.server_protocol import Served

REQUEST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
END = b"0\r\n\r\n"


@dataclass
class Call:
    """A request whose response has begun."""

    scope: Any
    send: Any
    sink: ChunkedSink | None
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Streaming(Served):
    """A connection whose application streams: a test writes to the sinks of `calls`."""

    calls: list[Call] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    end_well: bool = True

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        open_sink = scope["extensions"][SINK]
        assert open_sink(send) is None, "the head is not sent"
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        call = Call(scope, send, open_sink(send))
        self.calls.append(call)
        await call.done.wait()
        if not self.end_well:
            raise OSError("the application fails after its head")
        await send({"type": "http.response.body", "body": b""})

    async def finish(self, call: Call) -> None:
        call.done.set()
        await self.settle()

    @property
    def bodies(self) -> list[bytes]:
        """What follows each head."""
        return [part.partition(b"\r\n\r\n")[2] for part in self.wire.out.split(b"HTTP/1.1 200 OK")[1:]]


async def opened(request: bytes = REQUEST, **options: Any) -> tuple[Streaming, Call, ChunkedSink]:
    connection = Streaming(**options)
    await connection.send(request)
    (call,) = connection.calls
    assert call.sink is not None
    return connection, call, call.sink


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# -- writing -----------------------------------------------------------------------------------------


async def test_each_write_is_one_chunk_in_one_write_of_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    connection = Streaming()
    monkeypatch.setattr(connection.wire, "write", lambda data: writes.append(bytes(data)))
    await connection.send(REQUEST)
    sink = connection.calls[0].sink
    assert sink is not None
    writes.clear()
    sink.write(b"data: 1\n\n")
    sink.write(b"x" * 300)
    assert writes == [chunk(b"data: 1\n\n"), chunk(b"x" * 300)]
    await connection.finish(connection.calls[0])
    assert writes[2:] == [END]
    connection.end()


async def test_the_first_chunk_goes_out_with_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []

    class AtOnce(Streaming):
        async def _app(self, scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            sink = scope["extensions"][SINK](send)
            sink.write(b"first")
            sink.write(b"second")
            await send({"type": "http.response.body", "body": b""})

    connection = AtOnce()
    monkeypatch.setattr(connection.wire, "write", lambda data: writes.append(bytes(data)))
    await connection.send(REQUEST)
    connection.end()
    assert writes[0].startswith(b"HTTP/1.1 200 ") and writes[0].endswith(b"\r\n\r\n" + chunk(b"first"))
    assert writes[1:] == [chunk(b"second"), END]


async def test_empty_data_does_not_end_the_response() -> None:
    connection, call, sink = await opened()
    sink.write(b"")
    sink.write(b"a")
    sink.write(b"")
    await connection.finish(call)
    connection.end()
    assert connection.bodies == [chunk(b"a") + END]


async def test_a_request_has_one_sink() -> None:
    connection, call, sink = await opened()
    assert call.scope["extensions"][SINK](call.send) is sink
    await connection.finish(call)
    connection.end()


async def test_a_write_after_the_end_is_dropped() -> None:
    connection, call, sink = await opened()
    sink.write(b"a")
    await connection.finish(call)
    sink.write(b"late")
    assert connection.bodies == [chunk(b"a") + END]
    assert call.scope["extensions"][SINK](call.send) is None
    connection.end()


async def test_a_write_after_the_application_failed_is_dropped() -> None:
    """uvicorn closes the connection: the client sees that the response is incomplete."""
    connection, call, sink = await opened(end_well=False)
    sink.write(b"a")
    await connection.finish(call)
    assert connection.wire.closed.is_set()
    sink.write(b"late")
    connection.end()
    assert connection.bodies == [chunk(b"a")]


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_a_write_after_a_disconnect_is_dropped(error: Exception | None) -> None:
    connection, call, sink = await opened()
    sink.write(b"a")
    connection.protocol.connection_lost(error)
    sink.write(b"late")
    sink.write(b"")
    await connection.finish(call)
    assert connection.bodies == [chunk(b"a")]
    assert call.scope["extensions"][SINK](call.send) is None


async def test_a_late_write_stays_out_of_the_next_response_of_the_connection() -> None:
    connection = await Streaming().send(REQUEST + REQUEST)
    first = connection.calls[0]
    assert first.sink is not None
    first.sink.write(b"one")
    await connection.finish(first)
    second = connection.calls[1]
    assert second.sink is not None
    first.sink.write(b"late")
    second.sink.write(b"two")
    first.sink.write(b"late")
    await connection.finish(second)
    connection.end()
    assert connection.bodies == [chunk(b"one") + END, chunk(b"two") + END]


async def test_the_first_of_two_pipelined_requests_writes_nothing_after_a_disconnect() -> None:
    """uvicorn reports the loss only to the last one."""
    connection = await Streaming().send(REQUEST + REQUEST)
    first = connection.calls[0]
    assert first.sink is not None
    first.sink.write(b"one")
    connection.end()
    first.sink.write(b"late")
    await connection.finish(first)
    assert connection.bodies == [chunk(b"one")]
    assert len(connection.calls) == 1


# -- a client that reads slowly -----------------------------------------------------------------------


async def test_a_full_sink_takes_writes_and_calls_each_callback_once() -> None:
    connection, call, sink = await opened()
    calls: list[str] = []
    sink.on_drained(lambda: calls.append("at once"))
    connection.protocol.pause_writing()
    assert sink.full
    for name in "ab":
        sink.on_drained(lambda name=name: calls.append(name))  # type: ignore[misc]
    sink.write(b"a")
    assert calls == ["at once"]
    connection.protocol.resume_writing()
    connection.protocol.pause_writing()
    connection.protocol.resume_writing()
    assert (sink.full, calls) == (False, ["at once", "a", "b"])
    await connection.finish(call)
    connection.end()
    assert connection.bodies == [chunk(b"a") + END]


async def test_a_callback_may_fill_the_sink_again_and_wait_again() -> None:
    connection, call, sink = await opened()
    calls: list[int] = []

    def write_more() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            sink.write(b"more")
            connection.protocol.pause_writing()  # as the transport does inside the write
            sink.on_drained(write_more)

    connection.protocol.pause_writing()
    sink.on_drained(write_more)
    for count in (1, 2, 3):
        connection.protocol.resume_writing()
        assert len(calls) == count
    await connection.finish(call)
    connection.end()
    assert connection.bodies == [chunk(b"more") * 2 + END]


async def test_a_sink_is_full_from_the_start_if_the_connection_is() -> None:
    class Paused(Streaming):
        async def _app(self, scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            self.protocol.pause_writing()
            call = Call(scope, send, scope["extensions"][SINK](send))
            self.calls.append(call)
            await send({"type": "http.response.body", "body": b""})

    connection = await Paused().send(REQUEST)
    sink = connection.calls[0].sink
    assert sink is not None
    assert sink.full
    connection.protocol.resume_writing()
    assert not sink.full
    await connection.settle()
    connection.end()
    assert connection.bodies == [END]


async def test_a_disconnect_while_full_is_reported_before_the_writers_go_on() -> None:
    """The call is stopped first: otherwise it would read on from its upstream."""
    connection, call, sink = await opened()
    calls: list[str] = []
    call.scope["extensions"]["chat2response.disconnect"](lambda: calls.append("disconnect"))
    connection.protocol.pause_writing()
    for name in "ab":
        sink.on_drained(lambda name=name: calls.append(name))  # type: ignore[misc]
    connection.end()
    assert (calls, sink.full) == (["disconnect", "a", "b"], False)
    sink.on_drained(lambda: calls.append("at once"))
    assert calls[3:] == ["at once"]
    await connection.finish(call)


async def test_what_a_stopped_call_writes_at_the_disconnect_is_dropped() -> None:
    connection, call, sink = await opened()
    sink.write(b"a")
    call.scope["extensions"]["chat2response.disconnect"](lambda: sink.write(b"terminal event"))
    connection.end()
    await connection.finish(call)
    assert connection.bodies == [chunk(b"a")]


async def test_a_writer_that_waits_at_the_end_goes_on() -> None:
    connection, call, sink = await opened()
    calls: list[str] = []
    sink.full = True
    sink.on_drained(lambda: calls.append("ended"))
    await connection.finish(call)
    assert calls == ["ended"]
    connection.end()


# -- where uvicorn has to send the stream --------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "headers"),
    [
        (REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"), []),
        (REQUEST.replace(b"POST", b"HEAD"), []),
        (REQUEST.replace(b"POST", b"HEAD"), [(b"transfer-encoding", b"chunked")]),
        (REQUEST, [(b"content-length", b"0")]),
    ],
    ids=["HTTP/1.0", "HEAD", "HEAD-chunked", "not-chunked"],
)
async def test_uvicorn_sends_other_streams(request_: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    connection = await Streaming(headers=headers).send(request_)
    (call,) = connection.calls
    assert call.sink is None
    await connection.finish(call)
    connection.end()


async def test_uvicorn_sends_the_stream_of_a_wrapped_send() -> None:
    connection, call, _ = await opened()

    async def wrapped(message: Any) -> None:
        await call.send(message)

    assert call.scope["extensions"][SINK](wrapped) is None
    await connection.finish(call)
    connection.end()


# -- memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["complete", "lost", "lost-while-full"])
async def test_a_stream_leaves_nothing_for_the_garbage_collector(end: str) -> None:
    gc.collect()
    gc.disable()
    try:
        connection, call, sink = await opened()
        cycle = weakref.ref(connection.protocol.cycle)
        protocol = weakref.ref(connection.protocol)
        if end != "complete":
            sink.write(b"a")
        if end == "lost-while-full":
            connection.protocol.pause_writing()
            sink.on_drained(lambda sink=sink: None)  # type: ignore[misc]
        if end.startswith("lost"):
            connection.end()
        await connection.finish(call)
        if not end.startswith("lost"):
            connection.end()
        await connection.settle()
        del call, sink, connection.protocol
        connection.calls.clear()
        assert (cycle(), protocol()) == (None, None)
    finally:
        gc.enable()
