"""The demo's transport: when its bytes arrive, and that none do after a stop. The clock is the test's."""

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from chat2response.net.transport import HttpResponse, HttpTransport, StreamInterrupted
from chat2response.upstreams.demo.server import Answer
from chat2response.upstreams.demo.transport import DemoTransport, Playback
from chat2response.wire.fault import DRAINING, REVOKED
from tests.support.http_requests import Body
from tests.support.stream_grammar import parse_sse
from tests.support.upstreams.demo_server import URL, body_of

DELAY = 0.03
LARGE = b"x" * 20_000  # more than a response buffers before it pauses reading


class Timer:
    """A timer that fires when the test's clock passes `at`."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        self.callback = _nothing  # as asyncio does, so that the handle keeps nothing alive


def _nothing() -> None:
    pass


class Loop:
    """The part of an event loop that a playback uses, with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self.now + delay, callback)
        self._timers.append(timer)
        return timer

    @property
    def pending(self) -> list[float]:
        """When the timers fire that are not cancelled."""
        return [timer.at for timer in self._timers if not timer.cancelled]

    def advance(self, seconds: float) -> None:
        """Fires what is due within `seconds`, in order."""
        end = self.now + seconds
        while due := [timer for timer in self._timers if not timer.cancelled and timer.at <= end]:
            timer = min(due, key=lambda each: each.at)
            self._timers.remove(timer)
            self.now = timer.at
            timer.callback()
        self.now = end


class Scene:
    """A playback of some pieces on a hand-driven loop."""

    def __init__(self, *pieces: bytes) -> None:
        self.loop = Loop()
        self.taken = 0  # pieces that the playback has taken from its source
        self.playback = Playback(cast(Any, self.loop), DELAY)
        self.response = self.playback.start(Answer(200, {"content-type": "x/y"}, self._source(pieces)))
        self._body: Body | None = None

    def _source(self, pieces: tuple[bytes, ...]) -> Iterator[bytes]:
        for piece in pieces:
            self.taken += 1
            yield piece

    @property
    def body(self) -> Body:
        """The receiver, from the first look on."""
        if self._body is None:
            self._body = Body(self.response)
        return self._body

    def arrived(self) -> bytes:
        """The bytes that have arrived since the last look; empty if none have."""
        return self.body.arrived()


# -- pace ----------------------------------------------------------------------------------------------


async def test_the_head_and_the_first_piece_come_at_once() -> None:
    scene = Scene(b"a", b"b")
    assert (scene.response.status, scene.response.headers) == (200, [(b"content-type", b"x/y")])
    assert scene.arrived() == b"a"


async def test_a_single_piece_is_the_whole_body() -> None:
    scene = Scene(b"{}")
    assert await scene.response.read() == b"{}"
    assert scene.loop.pending == []


async def test_the_pieces_come_one_by_one() -> None:
    scene = Scene(b"a", b"b", b"c")
    assert scene.arrived() == b"a"
    scene.loop.advance(DELAY * 0.9)
    assert scene.arrived() == b""
    scene.loop.advance(DELAY * 0.1)
    assert scene.arrived() == b"b"
    assert not scene.body.ended
    scene.loop.advance(DELAY)
    assert scene.arrived() == b"c"
    assert scene.body.ended
    assert scene.loop.pending == []


async def test_a_piece_is_made_only_shortly_before_it_is_sent() -> None:
    scene = Scene(b"a", b"b", b"c", b"d")
    assert scene.taken == 2


# -- backpressure --------------------------------------------------------------------------------------


async def test_no_timer_runs_while_reading_is_paused() -> None:
    scene = Scene(b"a", b"b", b"c")
    scene.playback.pause_reading()
    assert scene.loop.pending == []
    scene.loop.advance(DELAY * 100)
    assert scene.arrived() == b"a"
    scene.playback.resume_reading()
    scene.playback.resume_reading()
    assert scene.loop.pending == [scene.loop.now + DELAY]
    scene.loop.advance(DELAY)
    assert scene.arrived() == b"b"


async def test_a_slow_reader_pauses_the_playback_by_itself() -> None:
    scene = Scene(LARGE, b"b", b"c")
    assert scene.response.reading_paused
    assert scene.loop.pending == []
    assert scene.arrived() == LARGE
    assert not scene.response.reading_paused
    scene.loop.advance(DELAY)
    assert scene.arrived() == b"b"


async def test_a_last_piece_that_pauses_reading_still_ends_the_body() -> None:
    scene = Scene(LARGE)
    assert await scene.response.read() == LARGE
    scene.playback.resume_reading()
    assert scene.loop.pending == []


# -- the end -------------------------------------------------------------------------------------------


async def test_closing_the_response_stops_the_timer() -> None:
    scene = Scene(b"a", b"b", b"c", b"d")
    await scene.response.close()
    assert scene.loop.pending == []
    scene.loop.advance(DELAY * 100)
    assert scene.taken == 2
    scene.playback.resume_reading()
    assert scene.loop.pending == []


@pytest.mark.parametrize("fault", [DRAINING, REVOKED])
async def test_a_stop_wakes_the_reader_between_two_words(fault: Any) -> None:
    scene = Scene(b"a", b"b")
    assert scene.arrived() == b"a"
    waiting = asyncio.ensure_future(scene.body.next())
    await asyncio.sleep(0)
    scene.response.stop(fault)
    with pytest.raises(StreamInterrupted) as interrupted:
        await waiting
    assert interrupted.value.fault == fault
    await scene.response.close()
    assert scene.loop.pending == []


async def test_closing_a_complete_response_is_no_interruption() -> None:
    scene = Scene(b"a")
    await scene.response.close()
    assert await scene.response.read() == b"a"


async def test_closing_a_finished_stream_waits_for_no_timer() -> None:
    scene = Scene(b"a", b"b")
    scene.loop.advance(DELAY)
    await scene.response.close(finished=True)
    assert scene.loop.pending == []


@pytest.mark.parametrize("aborted", [False, True])
async def test_a_response_that_ended_is_freed_at_once(aborted: bool) -> None:
    scene = Scene(b"a", b"b")
    if aborted:
        await scene.response.close()
    else:
        scene.loop.advance(DELAY)
        await scene.response.read()
    left = weakref.ref(scene.playback)
    gc.disable()
    try:
        del scene
        assert left() is None
    finally:
        gc.enable()


# -- over the loop -------------------------------------------------------------------------------------


async def opened(transport: HttpTransport, body: dict[str, Any]) -> HttpResponse:
    return await transport.open(
        "POST", URL, {"Authorization": "Bearer x"}, json.dumps(body).encode(), stall=9
    )


async def test_a_stream_over_a_real_loop() -> None:
    transport = DemoTransport(delay=0)
    response = await opened(transport, body_of(stream=True))
    chunks = parse_sse(await response.read())
    await response.close()
    await transport.close()
    assert chunks[0]["id"].startswith("chatcmpl-")
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_ids_and_times_are_new_for_each_answer() -> None:
    transport = DemoTransport()
    one, two = [json.loads(await (await opened(transport, body_of())).read()) for _ in range(2)]
    assert one["id"] != two["id"]
    assert one["choices"] == two["choices"]


async def test_models_and_errors_are_answers_too() -> None:
    transport = DemoTransport()
    models = await transport.open("GET", "http://demo.invalid/v1/models", {})
    assert (models.status, json.loads(await models.read())["object"]) == (200, "list")
    limited = await opened(transport, body_of("demo-error", stream=True))
    assert (limited.status, limited.header("retry-after")) == (429, "1")
    assert json.loads(await limited.read())["error"]["code"] == "rate_limit_exceeded"


async def test_a_large_body_is_read_in_a_thread() -> None:
    response = await opened(DemoTransport(), body_of(user="word " * 1_000_000))
    assert json.loads(await response.read())["usage"]["prompt_tokens"] == 1_000_000
