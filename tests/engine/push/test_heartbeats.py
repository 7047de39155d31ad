"""Heartbeats between reads: numbers in order, none before the first event, none after the end."""

from typing import Any

import pytest

from chat2response.api.bridge.timed_sink import StreamTimeouts, TimedSink
from chat2response.wire.fault import DRAINING
from tests.engine.push.conftest import Open
from tests.support.engine.client_streams import ends_of, text_of
from tests.support.engine.fakes import events_of
from tests.support.engine.hand_driven import LAST_CHUNK, WAYS, HandDriven, settle
from tests.support.engine.scene import Client
from tests.support.manual_timers import ManualTimers
from tests.support.stream_grammar import assert_well_formed

CONVERTED = [way for way in WAYS if not way.startswith("relay")]
EVERY_WAY = pytest.mark.parametrize("way", WAYS)
NUMBERED = pytest.mark.parametrize("way", ["responses from chat", "proxy from chat"])


class Timed:
    """A stream that is sent through a TimedSink."""

    def __init__(self, driven: HandDriven) -> None:
        self.driven, self.timers = driven, ManualTimers()
        stream = driven.answer.stream
        assert stream is not None
        self.stalls = 0
        self.sink = TimedSink(driven.client, stream.keepalive, self._stall, StreamTimeouts(), self.timers)
        self.client = Client(_Through(stream, self.sink))

    def _stall(self) -> None:
        self.stalls += 1

    @property
    def sent(self) -> bytes:
        return self.driven.client.sent

    def pass_time(self) -> bytes:
        """What is sent in twenty seconds of silence."""
        before = len(self.sent)
        self.timers.advance(self.timers.now + 20)
        return self.sent[before:]


class _Through:
    """A stream that is sent to another sink."""

    def __init__(self, stream: Any, sink: TimedSink) -> None:
        self._stream, self._sink = stream, sink

    async def send(self, _: Any) -> None:
        await self._stream.send(self._sink)


async def timed(driven: HandDriven, first: bytes) -> Timed:
    await driven.opened()
    driven.first(first)
    await driven.entered()
    timed = Timed(driven)
    timed.client._start()
    await settle()
    return timed


async def finish(timed: Timed) -> None:
    driven = timed.driven
    driven.feed(driven.ending("ab"))
    for socket in driven.sockets:
        socket.receive(LAST_CHUNK)
    await settle()
    assert timed.client._task is not None and timed.client._task.done()
    if driven.way.requests == 1:
        assert timed.pass_time() == b"", "none after the end, even before the sink is closed"
    timed.sink.close()
    await driven.leave()


@NUMBERED
async def test_numbers_are_in_order(drive: Open, way: str) -> None:
    driven = drive(way)
    stream = await timed(driven, driven.opening() + driven.delta("a"))
    assert stream.pass_time()
    driven.feed(driven.delta("b"))
    assert stream.pass_time()
    await finish(stream)
    *events, done = events_of(stream.sent)
    assert done == "[DONE]"
    assert_well_formed(events)
    assert text_of(stream.sent) == "ab"


@NUMBERED
async def test_one_between_the_last_read_and_its_end_takes_what_waits_with_it(drive: Open, way: str) -> None:
    driven = drive(way)
    stream = await timed(driven, driven.opening() + driven.delta("a"))
    driven.feed(driven.delta("b") + driven.ending("ab"))
    stream.pass_time()  # before the task that sends has its turn
    for socket in driven.sockets:
        socket.receive(LAST_CHUNK)
    await settle()
    stream.sink.close()
    await driven.leave()
    *events, done = events_of(stream.sent)
    assert done == "[DONE]"
    assert_well_formed(events)
    assert text_of(stream.sent) == "ab"


@pytest.mark.parametrize("way", [way for way in WAYS if way != "turns"])
async def test_none_while_the_client_is_full(drive: Open, way: str) -> None:
    driven = drive(way)
    stream = await timed(driven, driven.opening() + driven.delta("a"))
    client = driven.client
    client.full = True
    driven.feed(driven.delta("b"))
    for _ in range(5):
        assert stream.pass_time() == b""
    assert stream.stalls == 0
    client.drain()
    await settle()
    assert stream.pass_time() != b""
    await finish(stream)


@pytest.mark.parametrize("way", CONVERTED)
async def test_none_before_the_first_event_of_a_converted_stream(drive: Open, way: str) -> None:
    """The head goes out without an event after a set time; then the opening events come first."""
    driven = await drive(way, first_event_timeout=0.001).opened()
    driven.first(b": wait\n\n")
    await driven.entered()
    stream: Any = driven.answer.stream
    if way != "choices":  # its keepalive is a comment
        assert stream.keepalive() == b""
    driven.start()
    await settle()
    assert stream.keepalive() != b""
    driven.client.writes.clear()
    driven.run.stop(DRAINING)
    await driven.start()
    assert stream.keepalive() == b"" or way == "choices"
    await driven.leave()
    assert len(ends_of(driven.client.sent)) == 1


@pytest.mark.parametrize("way", [way for way in CONVERTED if way != "choices"])
async def test_an_encoder_that_fails_at_a_heartbeat_ends_the_stream_once(
    drive: Open, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Events that it has taken are lost, so that the stream must not go on."""
    driven = drive(way)
    stream = await timed(driven, driven.opening() + driven.delta("a"))
    converted: Any = driven.answer.stream
    encode = converted._encoder.encode

    def fail(events: Any) -> Any:
        monkeypatch.setattr(converted._encoder, "encode", encode)
        raise ValueError("a bug in the encoder")

    monkeypatch.setattr(converted._encoder, "encode", fail)
    stream.pass_time()
    await settle()
    assert stream.client._task is not None and stream.client._task.done()
    stream.sink.close()
    await driven.leave()
    (end,) = ends_of(stream.sent)
    assert "failed to convert" in str(end)
    assert driven.sockets[0].closed
    assert caplog.text.count("cannot convert the answer") == 1
    assert "a bug in the encoder" in caplog.text
