"""The timed sink with a fake clock: when it sends keepalives, and when it reports a stall."""

import gc
import weakref

from chat2response.api.bridge.timed_sink import StreamTimeouts, TimedSink
from tests.support.fake_sink import FakeSink
from tests.support.manual_timers import ManualTimers

COMMENT, EVENT = b": OPENROUTER PROCESSING\n\n", b'data: {"x": 1}\n\n'


class Scene:
    def __init__(self, keepalive: float = 15.0, stall: float = 60.0, client: FakeSink | None = None) -> None:
        self.timers, self.client = ManualTimers(), client or FakeSink()
        self.keepalives = self.stalls = 0
        self.frames_wait = False
        timeouts = StreamTimeouts(keepalive, stall)
        self.sink = TimedSink(self.client, self.keepalive, self.stalled, timeouts, self.timers)

    def keepalive(self) -> bytes:
        self.keepalives += 1
        return b"" if self.frames_wait else b"keepalive %d" % self.keepalives

    def stalled(self) -> None:
        self.stalls += 1


def test_row_5_a_keepalive_is_sent_after_each_fifteen_seconds_of_silence() -> None:
    """Row 5: also before the first event."""
    scene = Scene()
    scene.timers.advance(14.9)
    assert scene.client.writes == []
    scene.timers.advance(15)
    assert scene.client.writes == [b"keepalive 1"]
    scene.timers.advance(45.5)
    assert scene.client.writes == [b"keepalive 1", b"keepalive 2", b"keepalive 3"]


def test_a_write_postpones_the_keepalive() -> None:
    scene = Scene()
    for second in range(10, 100, 10):
        scene.timers.advance(second)
        scene.sink.write(EVENT)
    assert scene.keepalives == 0
    scene.timers.advance(105)
    assert scene.client.writes[-1] == b"keepalive 1"


def test_row_5_a_stall_is_reported_once_in_spite_of_keepalives() -> None:
    """Row 5: keepalives satisfy the client, and do not count for the upstream."""
    scene = Scene()
    scene.timers.advance(59.9)
    assert (scene.keepalives, scene.stalls) == (3, 0)
    scene.timers.advance(300)
    assert (scene.keepalives, scene.stalls) == (3, 1)


def test_row_5_comments_of_the_upstream_do_not_postpone_the_stall() -> None:
    """Row 5: an upstream that only sends comments has stalled."""
    scene = Scene(stall=30)
    for second in (10, 20, 29):
        scene.timers.advance(second)
        scene.sink.write(COMMENT)
    assert scene.keepalives == 0, "but the client has received something"
    scene.timers.advance(30)
    assert scene.stalls == 1

    scene = Scene(stall=30)
    scene.timers.advance(29)
    scene.sink.write(COMMENT + EVENT)
    scene.timers.advance(58)
    assert scene.stalls == 0


def test_an_empty_write_is_neither_an_event_nor_written() -> None:
    scene = Scene(stall=30)
    scene.timers.advance(10)
    scene.sink.write(b"")
    scene.timers.advance(15)
    assert scene.client.writes == [b"keepalive 1"]
    scene.timers.advance(30)
    assert scene.stalls == 1


def test_nothing_times_out_while_the_client_does_not_read() -> None:
    scene = Scene()
    scene.client.full = True
    scene.sink.write(EVENT)
    assert scene.sink.full
    scene.timers.advance(500)
    assert (scene.keepalives, scene.stalls) == (0, 0)


def test_both_timeouts_start_over_when_the_client_reads_again() -> None:
    scene = Scene()
    scene.client.full = True
    scene.sink.write(EVENT)
    scene.timers.advance(109)
    scene.client.drain()
    assert not scene.sink.full
    scene.timers.advance(123.9)
    assert scene.keepalives == 0
    scene.timers.advance(124)
    assert scene.keepalives == 1
    scene.timers.advance(168.9)
    assert scene.stalls == 0
    scene.timers.advance(169)
    assert scene.stalls == 1


def test_a_connection_that_is_full_before_the_first_write_counts_as_a_client_that_does_not_read() -> None:
    client = FakeSink()
    client.full = True
    scene = Scene(client=client)
    assert scene.sink.full
    scene.timers.advance(500)
    assert (scene.keepalives, scene.stalls) == (0, 0)
    client.drain()
    scene.timers.advance(515)
    assert client.writes == [b"keepalive 1"]


def test_a_keepalive_may_fill_the_sink() -> None:
    scene = Scene()
    scene.client.full = True  # after the write
    scene.timers.advance(15)
    assert scene.sink.full
    scene.timers.advance(500)
    assert (scene.keepalives, scene.stalls) == (1, 0)


def test_each_writer_that_waits_goes_on_and_the_sink_is_no_longer_full_then() -> None:
    """The choices of a call share one sink."""
    scene = Scene()
    scene.client.full = True
    scene.sink.write(EVENT)
    seen: list[tuple[str, bool]] = []
    for name in "ab":
        scene.sink.on_drained(lambda name=name: seen.append((name, scene.sink.full)))  # type: ignore[misc]
    assert seen == []
    scene.client.drain()
    assert seen == [("a", False), ("b", False)]
    scene.sink.on_drained(lambda: seen.append(("at once", scene.sink.full)))
    assert seen[2:] == [("at once", False)]


def test_keepalives_are_written_in_order_with_the_stream() -> None:
    """A keepalive draws the next sequence number, and is written in the same moment."""
    scene = Scene()
    scene.timers.advance(15)
    scene.sink.write(EVENT)
    scene.timers.advance(30)
    assert scene.client.writes == [b"keepalive 1", EVENT, b"keepalive 2"]


def test_no_keepalive_is_written_while_frames_wait_in_the_engine() -> None:
    scene = Scene()
    scene.frames_wait = True
    scene.timers.advance(31)
    assert (scene.keepalives, scene.client.writes) == (2, [])


def test_size_counts_the_stream_without_keepalives() -> None:
    scene = Scene()
    scene.sink.write(EVENT)
    scene.timers.advance(31)
    scene.sink.write(COMMENT)
    assert scene.keepalives == 2
    assert scene.sink.size == len(EVENT + COMMENT)


def test_a_closed_sink_has_no_timer_and_writes_nothing() -> None:
    scene = Scene()
    scene.timers.advance(15)
    scene.client.full = True
    scene.sink.write(EVENT)
    scene.sink.close()
    scene.sink.close()
    scene.timers.advance(500)
    scene.sink.write(EVENT)
    calls: list[str] = []
    scene.sink.on_drained(lambda: calls.append("at once"))
    assert (scene.keepalives, scene.stalls, scene.timers.due) == (1, 0, [])
    assert (scene.client.writes, scene.sink.full, calls) == ([b"keepalive 1", EVENT], False, ["at once"])


def test_a_closed_sink_does_not_refer_to_the_stream() -> None:
    """The stream refers to its sink: a reference back would leave both to the garbage collector."""

    class Stream:
        def __init__(self) -> None:
            self.sink = TimedSink(
                FakeSink(), self.keepalive, self.keepalive, StreamTimeouts(), ManualTimers()
            )

        def keepalive(self) -> bytes:
            return b""

    gc.disable()
    try:
        stream = Stream()
        gone = weakref.ref(stream)
        stream.sink.close()
        del stream
        assert gone() is None
    finally:
        gc.enable()


def test_a_timeout_of_zero_is_never() -> None:
    scene = Scene(keepalive=0, stall=0)
    scene.timers.advance(10_000)
    assert (scene.keepalives, scene.stalls, scene.timers.due) == (0, 0, [])
    scene = Scene(keepalive=0)
    scene.timers.advance(60)
    assert (scene.keepalives, scene.stalls) == (0, 1)
