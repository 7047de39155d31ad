"""A stop, an abort and a bug inside a read: one terminal event, no exception, no connection used again."""

import asyncio
from typing import Any

import pytest

from chat2response.errors import BridgeError
from chat2response.wire.fault import CANCELLED, REVOKED
from tests.engine.push.conftest import Open
from tests.support.engine.client_streams import ends_of
from tests.support.engine.fakes import events_of
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, WAYS, HandDriven, http_chunk, settle

EVERY_WAY = pytest.mark.parametrize("way", WAYS)


def check_failed(driven: HandDriven, words: str) -> None:
    """One terminal event with these words, then `[DONE]`, and no connection for another request."""
    (end,) = ends_of(driven.client.sent)
    assert words in str(end)
    assert events_of(driven.client.sent)[-1] == "[DONE]"
    assert events_of(driven.client.sent).count("[DONE]") == 1
    assert driven.upstream.idle == []
    assert all(socket.closed for socket in driven.sockets)


@EVERY_WAY
async def test_a_stop_inside_a_write_is_the_end(drive: Open, way: str) -> None:
    driven = drive(way)
    client = await driven.begun()
    sending = driven.start()
    inner = client.write

    def write(data: bytes, /) -> None:
        inner(data)
        client.write = inner  # type: ignore[method-assign]
        driven.run.stop(REVOKED)

    client.write = write  # type: ignore[method-assign]
    socket = driven.sockets[0]
    socket.receive(http_chunk(driven.delta("b")))
    assert socket.closed, "nothing more is wanted of the upstream"
    await sending
    await driven.leave()
    check_failed(driven, REVOKED.message)


@EVERY_WAY
@pytest.mark.parametrize("fault", [REVOKED, CANCELLED])
async def test_a_stop_between_reads_closes_the_connections_at_once(drive: Open, way: str, fault: Any) -> None:
    driven = drive(way)
    await driven.begun()
    driven.run.stop(fault)
    assert all(socket.closed for socket in driven.sockets)
    await driven.start()
    await driven.leave()
    check_failed(driven, fault.message)


@EVERY_WAY
async def test_a_sink_that_fails_ends_the_stream_once(
    drive: Open, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    driven = drive(way)
    client = await driven.begun()
    sending = driven.start()
    inner = client.write

    def write(data: bytes, /) -> None:
        client.write = inner  # type: ignore[method-assign]
        raise KeyError("a bug in the sink")

    client.write = write  # type: ignore[method-assign]
    driven.feed(driven.delta("b"))
    await sending
    await driven.leave()
    check_failed(driven, "The gateway failed to")
    assert "a bug in the sink" in caplog.text


@EVERY_WAY
async def test_a_reader_that_fails_ends_the_stream_once(
    drive: Open, way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = drive(way)
    await driven.begun()

    def fail(*_: Any, **__: Any) -> Any:
        raise RecursionError("a bug in the reader")

    stream: Any = driven.run.stream
    if way.startswith("relay"):
        monkeypatch.setattr(stream._tap, "feed", fail)
    elif way == "choices":
        monkeypatch.setattr(stream.turns[0].reader, "payload", fail)
    else:
        monkeypatch.setattr(stream._turns.reader, "payload", fail)
    driven.feed(driven.delta("b"))
    await driven.start()
    await driven.leave()
    check_failed(driven, "The gateway failed to")
    assert caplog.text.count("a bug in the reader") >= 1


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("relay")])
async def test_an_encoder_that_fails_ends_the_stream_once(
    drive: Open, way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = drive(way)
    await driven.begun()
    stream: Any = driven.run.stream
    encoder = stream._streams[1]._encoder if way == "choices" else stream._encoder
    encode = encoder.encode

    def fail(events: Any) -> Any:
        monkeypatch.setattr(encoder, "encode", encode)
        raise ValueError("a bug in the encoder")

    monkeypatch.setattr(encoder, "encode", fail)
    driven.feed(driven.delta("b"))
    await driven.start()
    await driven.leave()
    check_failed(driven, "The gateway failed to")
    assert "a bug in the encoder" in caplog.text


@EVERY_WAY
async def test_an_upstream_that_breaks_off_inside_a_read(drive: Open, way: str) -> None:
    """The read brings a delta, then bytes that are not HTTP: the delta passes."""
    driven = drive(way)
    client = await driven.begun()
    driven.sockets[0].receive(http_chunk(driven.delta("whole")) + b"no chunk\r\n")
    await driven.start()
    await driven.leave()
    assert b"whole" in client.sent
    check_failed(driven, "closed the connection")


@EVERY_WAY
async def test_a_connection_serves_the_next_request_after_its_last_read(drive: Open, way: str) -> None:
    """Nothing of the first answer reaches the second, also if the end comes in the read of the last frame."""
    driven = drive(way)
    client = await driven.begun()
    rest = http_chunk(driven.delta("b") + driven.ending("ab")) + LAST_CHUNK
    for socket in driven.sockets[: driven.way.requests]:
        socket.receive(rest)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream("ab")) + LAST_CHUNK)
    await driven.start()
    await driven.leave()
    assert len(driven.upstream.idle) == len(driven.sockets)
    first, opened = client.sent, len(driven.sockets)
    again = await drive(way, upstream=driven.upstream).opened()
    assert len(driven.sockets) == opened, "no connection is opened for it"
    for socket in driven.sockets[: driven.way.requests]:
        socket.receive(HEAD + http_chunk(again.opening() + again.delta("second")))
    client = await again.entered()
    again.start()
    await settle()
    again.run.stop(REVOKED)
    await again.start()
    await again.leave()
    assert b"second" in client.sent and b'"b"' not in client.sent
    assert b"second" not in first


@EVERY_WAY
async def test_bytes_after_the_end_close_the_connection(drive: Open, way: str) -> None:
    driven = drive(way)
    client = await driven.begun()
    extra = HEAD + http_chunk(driven.delta("stolen"))
    for socket in driven.sockets[: driven.way.requests]:
        socket.receive(http_chunk(driven.ending("a")) + LAST_CHUNK + extra)
    await settle()
    if driven.way.turns > 1:
        driven.sockets[-1].receive(HEAD + http_chunk(driven.stream("ab")) + LAST_CHUNK + extra)
    await driven.start()
    await driven.leave()
    assert b"stolen" not in client.sent
    assert driven.upstream.idle == [] or not any(each.usable for each in driven.upstream.idle)
    assert b"error" not in client.sent or b'"error":null' in client.sent
    assert events_of(client.sent)[-1] == "[DONE]"
    await asyncio.sleep(0)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("relay")])
async def test_a_cut_before_the_first_byte_is_the_same_error_whatever_the_type(drive: Open, way: str) -> None:
    errors = []
    for media_type in (b"text/event-stream", b"application/json"):
        driven = await drive(way).opened()
        for socket in driven.sockets:
            socket.receive(HEAD.replace(b"text/event-stream", media_type))
            socket.lose(ConnectionResetError())
        with pytest.raises(BridgeError) as raised:
            await driven.entering
        errors.append((raised.value.status, raised.value.code, raised.value.message))
    assert errors[0] == errors[1]
