"""Idle connections: reused when that is safe, and never otherwise."""

import asyncio
from typing import Any

import pytest

from chat2response.errors import UpstreamUnreachable
from chat2response.net.connection import READ, Connection
from chat2response.net.transport import StreamInterrupted, Transport, TransportOptions
from chat2response.wire.fault import CANCELLED
from tests.support.driven_response import Recorder, fault_of
from tests.support.engine.hand_driven import Socket
from tests.support.http_requests import PATH, STREAM, Body, body_of, post, settle
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

# -- kept connections --------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_connection_is_used_again_once_its_answer_was_read(
    transport: Transport, upstream: ScriptedUpstream, framing: Any
) -> None:
    upstream.play(Script(PATH, (b"one", b"two"), framing=framing))
    for _ in range(5):
        assert await body_of(await post(transport, upstream)) == b"onetwo"
    assert upstream.accepted == 1


async def test_it_is_used_again_when_only_the_end_was_still_on_its_way(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    end = asyncio.Event()
    upstream.play(STREAM.but(steps=(b"data: [DONE]\n\n", end)))
    response = await post(transport, upstream)
    assert await Body(response).next() == b"data: [DONE]\n\n"
    closing = asyncio.ensure_future(response.close(finished=True))
    await asyncio.sleep(0)
    end.set()
    await closing
    await body_of(await post(transport, upstream))
    assert upstream.accepted == 1


async def test_an_end_that_does_not_come_is_not_awaited_for_ever(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(STREAM.but(steps=(b"data: [DONE]\n\n",), end="stall"))
    response = await post(transport, upstream)
    await Body(response).next()
    await response.close(finished=True)
    assert await asyncio.wait_for(upstream.last.gone.wait(), PATIENCE)


@pytest.mark.parametrize("why", ["left early", "stopped", "cut", "asked to close", "until close", "http/1.0"])
async def test_it_is_not_used_again_when_its_answer_was_not_whole(
    transport: Transport, upstream: ScriptedUpstream, why: str
) -> None:
    scripts = {
        "left early": STREAM.but(steps=(b"a",), end="stall"),
        "stopped": STREAM.but(steps=(b"a",), end="stall"),
        "cut": STREAM.but(steps=(b"a",), end="cut"),
        "asked to close": Script(PATH, (b"a",)).adding(("Connection", "close")),
        "until close": Script(PATH, (b"a",), framing="close"),
        "http/1.0": Script(PATH, (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",), framing="raw"),
    }
    upstream.play(scripts[why], Script(PATH, (b"{}",)))
    response = await post(transport, upstream)
    body = Body(response)
    assert await body.next() == b"a"
    if why == "stopped":
        response.stop(CANCELLED)
    elif why == "cut":
        with pytest.raises(StreamInterrupted):
            await body.next()
    elif why != "left early":
        assert await body.next() == b""
    await response.close()
    assert await body_of(await post(transport, upstream)) == b"{}"
    assert upstream.accepted == 2


async def test_a_connection_that_the_upstream_closed_meanwhile_is_not_used(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATH, (b"{}",)))
    await body_of(await post(transport, upstream))
    for connection in tuple(upstream.open):
        connection.abort()
    await upstream.until(lambda: not upstream.open)
    await settle()
    assert await body_of(await post(transport, upstream)) == b"{}"
    assert upstream.accepted == 2


# -- a request that crosses with the closing of its connection ---------------------------------------

LOST = Script(PATH, (), framing="raw")


@pytest.fixture
def patient_race(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises the limit, so that a busy machine does not look like a slow upstream."""
    monkeypatch.setattr("chat2response.net.connection._RACE_SECONDS", PATIENCE)


@pytest.mark.parametrize("end", ["whole", "reset"])
@pytest.mark.usefixtures("patient_race")
async def test_a_request_lost_on_a_kept_connection_is_sent_again_on_a_new_one(
    transport: Transport, upstream: ScriptedUpstream, end: Any
) -> None:
    upstream.play(Script(PATH, (b"one",)), LOST.but(end=end), Script(PATH, (b"two",)))
    await body_of(await post(transport, upstream))
    assert await body_of(await post(transport, upstream, b'{"a":1}')) == b"two"
    assert upstream.accepted == 2
    assert [request.body for request in upstream.requests[1:]] == [b'{"a":1}'] * 2


@pytest.mark.usefixtures("patient_race")
async def test_it_is_sent_again_once_only(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"one",)), LOST)
    await body_of(await post(transport, upstream))
    with pytest.raises(UpstreamUnreachable):
        await post(transport, upstream)
    assert len(upstream.requests) == 3


@pytest.mark.usefixtures("patient_race")
async def test_on_a_new_connection_nothing_is_sent_again(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    """The upstream has received the request, and failed while it was working on it."""
    upstream.play(LOST, Script(PATH, (b"two",)))
    with pytest.raises(UpstreamUnreachable):
        await post(transport, upstream)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 103 Early\r\n\r\n"])
@pytest.mark.usefixtures("patient_race")
async def test_an_answer_that_had_begun_is_not_asked_for_again(
    transport: Transport, upstream: ScriptedUpstream, begun: bytes
) -> None:
    upstream.play(Script(PATH, (b"one",)), LOST.but(steps=(begun,)), Script(PATH, (b"two",)))
    await body_of(await post(transport, upstream))
    with pytest.raises(UpstreamUnreachable):
        await post(transport, upstream)
    assert len(upstream.requests) == 2


async def test_an_upstream_that_fails_after_a_while_is_not_asked_again(
    transport: Transport, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have worked on the request, which may cost money."""
    monkeypatch.setattr("chat2response.net.connection._RACE_SECONDS", 0.0)
    upstream.play(Script(PATH, (b"one",)), LOST, Script(PATH, (b"two",)))
    await body_of(await post(transport, upstream))
    with pytest.raises(UpstreamUnreachable):
        await post(transport, upstream)
    assert len(upstream.requests) == 2


@pytest.mark.usefixtures("patient_race")
async def test_who_leaves_is_not_asked_for_again(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"one",)), LOST.but(end="stall"))
    await body_of(await post(transport, upstream))
    asking = asyncio.ensure_future(post(transport, upstream))
    request = await upstream.wait_for_request(2)
    asking.cancel()
    await request.gone.wait()
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("when", ["with the answer", "later"])
async def test_bytes_that_nobody_asked_for_are_never_the_next_answer(
    transport: Transport, upstream: ScriptedUpstream, when: str
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    late = asyncio.Event()
    steps = (
        (answer + stray, asyncio.Event())
        if when == "with the answer"
        else (answer, late, stray, asyncio.Event())
    )
    upstream.play(Script(PATH, steps, framing="raw"), Script(PATH, (b"next",)))
    assert await body_of(await post(transport, upstream)) == b"mine"
    late.set()
    if when == "later":
        await settle()
    assert await body_of(await post(transport, upstream)) == b"next"
    assert upstream.accepted == 2


async def test_half_an_answer_too_many_is_not_the_beginning_of_the_next(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
    upstream.play(
        Script(PATH, (answer + b"HTTP/1.1 200 OK\r\nX-Forged: 1\r\n", asyncio.Event()), framing="raw"),
        Script(PATH, (b"next",)),
    )
    await body_of(await post(transport, upstream))
    response = await post(transport, upstream)
    assert response.header("x-forged") is None
    assert await body_of(response) == b"next"


class FakeTransport:
    """Records what a connection does to its socket."""

    def __init__(self) -> None:
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


def arrive(connection: Connection, data: bytes) -> None:
    """Passes bytes like an event loop: as many as fit into the buffer, until all have arrived."""
    while data:
        buffer = connection.get_buffer(-1)
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        connection.buffer_updated(size)
        data = data[size:]


@pytest.mark.parametrize("last_read", [True, False])
async def test_a_connection_that_was_paused_is_read_again_before_its_next_answer(last_read: bool) -> None:
    free: list[Connection] = []
    socket: Any = FakeTransport()
    connection = Connection(60.0, 60.0, free.append)
    connection.connection_made(socket)
    response = connection.send(b"", b"")
    head, body = b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n", b"x" * 700_000
    arrive(connection, head + body if last_read else head + body[:-1])
    assert socket.paused is not last_read
    if not last_read:
        arrive(connection, body[-1:])  # it was on its way when the pause began
    await response.close()
    assert free == [connection]
    assert not socket.paused
    connection.abort()


@pytest.mark.parametrize("inside", ["nothing", "stop", "pause"])
async def test_a_connection_is_free_only_after_its_last_read(inside: str) -> None:
    """A receiver runs inside the read, and could send the next request."""
    free: list[Connection] = []
    socket: Any = FakeTransport()
    connection = Connection(60.0, 60.0, free.append)
    connection.connection_made(socket)
    response = connection.send(b"", b"")

    def act(_: object) -> None:
        assert free == []
        if inside == "stop":
            response.stop(CANCELLED)
        elif inside == "pause":
            response.pause()

    receiver = Recorder(act, lambda _: None if inside == "pause" else act(_))
    response.push(receiver)
    arrive(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    assert free == [connection]
    assert (receiver.data, receiver.ended) == (b"{}", inside != "pause")
    if inside == "pause":
        connection.send(b"", b"")
        response.resume()
        assert receiver.ended
        assert not socket.paused
    connection.abort()


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_stop_inside_a_read_that_breaks_is_the_only_end(pieces: int) -> None:
    socket: Any = FakeTransport()
    connection = Connection(60.0, 60.0, lambda _: None)
    connection.connection_made(socket)
    response = connection.send(b"", b"")
    receiver = Recorder(lambda _: response.stop(CANCELLED))
    response.push(receiver)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    for data in (chunked + b"ZZ\r\n",) if pieces == 1 else (chunked, b"ZZ\r\n"):
        arrive(connection, data)
    assert receiver.data == b"{}"
    assert fault_of(*receiver.ends) == CANCELLED


async def test_a_stop_of_an_answer_that_was_whole_leaves_the_connection_to_others(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATH, (b"{}",)))
    first = await post(transport, upstream)
    await upstream.last.played.wait()
    await settle()
    second = await post(transport, upstream)
    first.stop(CANCELLED)
    await first.close()
    assert await body_of(second) == b"{}"
    assert upstream.accepted == 1


async def test_calls_at_once_have_connections_of_their_own(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(PATH, lambda request: Script(PATH, (request.body,), framing="chunked"))
    bodies = [b"%d" % number for number in range(20)]

    async def echo(body: bytes) -> bytes:
        return await body_of(await post(transport, upstream, body))

    for _ in range(3):
        assert await asyncio.gather(*map(echo, bodies)) == bodies
    assert upstream.accepted == len(bodies)


async def test_an_unused_connection_is_closed_after_a_while(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat2response.net.transport._IDLE_SECONDS", 0.02)
    upstream.play(Script(PATH, (b"{}",)))
    transport = Transport(TransportOptions())
    await body_of(await post(transport, upstream))
    assert upstream.open
    await upstream.until(lambda: not upstream.open)
    await transport.close()


async def test_kept_connections_are_bounded(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat2response.net.transport._MAX_IDLE", 2)
    upstream.play(Script(PATH, (b"{}",)))
    transport = Transport(TransportOptions())
    exchanges = await asyncio.gather(*(post(transport, upstream) for _ in range(5)))
    for response in exchanges:
        await body_of(response)
    await upstream.until(lambda: len(upstream.open) <= 2)
    assert len(upstream.open) == 2
    await transport.close()
    await upstream.until(lambda: not upstream.open)


async def test_a_call_that_ends_after_the_transport_was_closed_leaves_no_connection(
    upstream: ScriptedUpstream,
) -> None:
    go = asyncio.Event()
    upstream.play(STREAM.but(steps=(b"a", go)))
    transport = Transport(TransportOptions())
    response = await post(transport, upstream)
    await transport.close()
    go.set()
    assert await body_of(response) == b"a"
    await upstream.until(lambda: not upstream.open)


# -- fairness ----------------------------------------------------------------------------------------


async def test_after_a_full_read_the_loop_has_its_turn() -> None:
    """libuv would read up to 32 times, and each read is converted at once: others would wait for 2 MiB."""
    connection = Connection(PATIENCE, PATIENCE, lambda _: None)
    socket = Socket(connection)
    connection.connection_made(socket)
    response = connection.send(b"POST / HTTP/1.1\r\n\r\n", b"")
    receiver = Recorder()
    response.push(receiver)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    socket.receive(head + b"x" * (READ - len(head) - 1))
    assert not socket.paused, "the loop has read all that had arrived"
    socket.receive(b"x" * READ)
    assert socket.paused
    assert len(receiver.data) == 2 * READ - len(head) - 1, "what is read is passed on"
    await asyncio.sleep(0)
    assert not socket.paused
    response.pause()
    socket.receive(b"x" * READ)
    await asyncio.sleep(0)
    assert socket.paused, "its receiver does not want more"
    response.resume()
    assert not socket.paused
    socket.receive(b"x" * READ)
    connection.abort()
    await asyncio.sleep(0)
    assert socket.closed
