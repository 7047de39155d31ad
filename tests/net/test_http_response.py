"""Bodies from raw bytes on a real socket: framing, interruptions, encodings, silence, stops."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.net.connection import READ
from chat2response.net.received_bytes import SLICE
from chat2response.net.transport import StreamInterrupted, Transport, TransportOptions
from chat2response.wire.fault import CANCELLED, RESET, REVOKED, TIMEOUT
from tests.support.http_requests import (
    IMPATIENT,
    PATH,
    PATIENT,
    STREAM,
    Body,
    body_of,
    cut_of,
    post,
    settle,
    until,
)
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

# -- bodies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_body_is_read_whatever_tells_its_end(
    transport: Transport, upstream: ScriptedUpstream, framing: Any
) -> None:
    upstream.play(Script(PATH, (b"first ", b"second"), framing=framing))
    assert await body_of(await post(transport, upstream)) == b"first second"


async def test_what_has_arrived_is_handed_on_as_it_arrives(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    go = asyncio.Event()
    upstream.play(STREAM.but(steps=(b"first", go, b"second")))
    response = await post(transport, upstream)
    body = Body(response)
    assert await body.next() == b"first"
    go.set()
    assert await body.next() == b"second"
    assert await body.next() == b""
    assert await Body(response).next() == b"", "the end stays the end"
    await response.close()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("end", ["cut", "reset"])
async def test_a_body_that_is_cut_says_so_after_all_that_arrived(
    transport: Transport, upstream: ScriptedUpstream, framing: Any, end: Any
) -> None:
    upstream.play(STREAM.but(steps=(b"data: 1\n\n",), framing=framing, end=end))
    response = await post(transport, upstream)
    await upstream.until(lambda: not upstream.open)  # all of it, and its end, is here before anyone reads
    assert await cut_of(response) == (b"data: 1\n\n", RESET)
    assert await cut_of(response) == (b"", RESET), "a cut stays a cut"
    await response.close()


async def test_a_body_that_is_cut_while_it_is_awaited(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    go = asyncio.Event()
    upstream.play(STREAM.but(steps=(b"a", go), end="reset"))
    response = await post(transport, upstream)
    body = Body(response)
    assert await body.next() == b"a"
    reading = asyncio.ensure_future(body.next())
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(StreamInterrupted) as caught:
        await reading
    assert caught.value.fault == RESET
    await response.close()


async def test_broken_framing_is_a_cut(transport: Transport, upstream: ScriptedUpstream) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    upstream.play(Script(PATH, (head + b"5\r\nhello\r\nZZ\r\n", asyncio.Event()), framing="raw"))
    response = await post(transport, upstream)
    assert await cut_of(response) == (b"hello", RESET)
    await response.close()


async def test_a_whole_body_that_is_cut_is_an_error(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b'{"a":',), end="cut"))
    with pytest.raises(UpstreamUnreachable):
        await body_of(await post(transport, upstream))


async def test_a_whole_body_has_a_bound(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"x" * 1000,), framing="chunked"))
    response = await post(transport, upstream)
    assert await response.read(1000) == b"x" * 1000
    await response.close()
    response = await post(transport, upstream)
    with pytest.raises(UpstreamError) as caught:
        await response.read(999)
    assert caught.value.code == "upstream_too_large"
    await response.close()


async def test_a_slow_reader_makes_the_upstream_wait(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    pieces = (b"x" * 100_000,) * 100
    upstream.play(STREAM.but(steps=pieces))
    response = await post(transport, upstream)
    await until(lambda: response.reading_paused)
    await settle()
    received = response._received
    assert received.size < 2 * READ, "one read, where a few bytes were there before it"
    slow = Body(response, slow=True)
    taken = len(await slow.next())
    assert taken <= SLICE
    await settle()
    assert received.size < 2 * READ and response.reading_paused, "a part is not all"
    taken += len(slow.arrived())
    assert taken <= 2 * SLICE and response.reading_paused
    rest = await body_of(response)
    assert 10_000_000 - 3 * SLICE <= taken + len(rest) <= 10_000_000 - SLICE, (
        "one slice is with the slow reader"
    )
    await body_of(await post(transport, upstream))
    assert upstream.accepted == 1


# -- coded bodies ------------------------------------------------------------------------------------

CODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "br": brotli.compress,
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("pieces", [1, 7, 1000])
async def test_a_coded_answer_is_decoded_though_nobody_asked_for_it(
    transport: Transport, upstream: ScriptedUpstream, coding: str, pieces: int
) -> None:
    text = b"".join(b"data: %d\n\n" % number for number in range(500))
    coded = CODED[coding](text)
    size = -(-len(coded) // pieces)
    steps = tuple(coded[at : at + size] for at in range(0, len(coded), size))
    upstream.play(STREAM.but(steps=steps).adding(("Content-Encoding", coding)))
    assert await body_of(await post(transport, upstream)) == text


async def test_a_small_answer_that_becomes_huge_is_bounded(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    upstream.play(Script(PATH, (bomb,), headers=(("Content-Encoding", "gzip"),)))
    response = await post(transport, upstream)
    assert len(await Body(response, slow=True).next()) <= 64 * 1024
    with pytest.raises(UpstreamError, match="too large"):
        await response.read(10_000_000)
    await response.close()


class Turns:
    """Counts the turns of the loop while it is entered."""

    count = 0

    async def __aenter__(self) -> "Turns":
        self._task = asyncio.ensure_future(self._go_on())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _go_on(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("coding", CODED)
async def test_what_a_few_coded_bytes_stand_for_comes_a_read_at_a_time_with_turns_for_others(
    transport: Transport, upstream: ScriptedUpstream, coding: str
) -> None:
    text = b": x\n\n" * 800_000
    upstream.play(STREAM.but(steps=(CODED[coding](text),)).adding(("Content-Encoding", coding)))
    response = await post(transport, upstream)
    await upstream.last.played.wait()
    await settle()
    body, sizes = Body(response), []
    assert len(body.arrived()) <= 64 * 1024, "the first turn is this one"
    async with Turns() as turns:
        while piece := await body.next():
            sizes.append(len(piece))
    await response.close()
    assert len(text) - 64 * 1024 <= sum(sizes) < len(text)
    assert max(sizes) <= 128 * 1024, "of a turn or two"
    assert turns.count >= len(text) // (128 * 1024), "never more than two reads' worth in one turn"


async def test_a_whole_coded_answer_is_unpacked_with_turns_for_others(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    coded = gzip.compress(b"\0" * 20_000_000)
    upstream.play(Script(PATH, (coded,), headers=(("Content-Encoding", "gzip"),)))
    response = await post(transport, upstream)
    await upstream.last.played.wait()
    await settle()
    async with Turns() as turns:
        assert len(await response.read()) == 20_000_000
    await response.close()
    assert turns.count >= 20_000_000 // (128 * 1024)


async def test_a_stop_between_two_pieces_of_a_coded_read_discards_the_rest(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    coded = gzip.compress(b"\0" * 1_000_000)
    upstream.play(STREAM.but(steps=(coded,), end="stall").adding(("Content-Encoding", "gzip")))
    response = await post(transport, upstream)
    body = Body(response)
    taken = len(await body.next())
    response.stop(REVOKED)
    taken += len(body.arrived())
    assert taken <= 256 * 1024, "of one turn, and a few more"
    with pytest.raises(StreamInterrupted) as caught:
        await body.next()
    assert caught.value.fault == REVOKED
    await response.close()


async def test_two_gzip_members_are_one_body(transport: Transport, upstream: ScriptedUpstream) -> None:
    coded = gzip.compress(b"first ") + gzip.compress(b"second")
    upstream.play(Script(PATH, (coded,), headers=(("Content-Encoding", "gzip"),)))
    assert await body_of(await post(transport, upstream)) == b"first second"


@pytest.mark.parametrize("coded", [b"no gzip at all", gzip.compress(b"x" * 1000)[:-9]], ids=["none", "cut"])
async def test_a_coded_body_that_is_damaged_is_an_error(
    transport: Transport, upstream: ScriptedUpstream, coded: bytes
) -> None:
    upstream.play(Script(PATH, (coded,), headers=(("Content-Encoding", "gzip"),)))
    with pytest.raises(UpstreamError) as caught:
        await body_of(await post(transport, upstream))
    assert caught.value.status == 502


async def test_no_body_at_all_is_no_damage(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"",), headers=(("Content-Encoding", "gzip"),)))
    assert await body_of(await post(transport, upstream)) == b""


async def test_a_coding_that_nobody_knows_is_an_error_that_names_it(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATH, (b"???",), headers=(("Content-Encoding", "compress"),)))
    with pytest.raises(UpstreamError, match="'compress'"):
        await body_of(await post(transport, upstream))


# -- silence -----------------------------------------------------------------------------------------


async def test_no_head_in_time_is_a_504(upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (), before=asyncio.Event()))
    transport = Transport(IMPATIENT)
    with pytest.raises(UpstreamTimeout) as caught:
        await post(transport, upstream)
    assert caught.value.status == 504
    await upstream.until(lambda: not upstream.open)
    await transport.close()


async def test_silence_in_the_body_is_a_cut(upstream: ScriptedUpstream) -> None:
    upstream.play(STREAM.but(steps=(b"a",), end="stall"))
    transport = Transport(TransportOptions(read_timeout=PATIENT))
    response = await post(transport, upstream)
    assert await cut_of(response) == (b"a", TIMEOUT)
    await response.close()
    await upstream.until(lambda: not upstream.open)
    upstream.play(Script(PATH, (b'{"a":',), end="stall"))
    with pytest.raises(UpstreamTimeout):
        await body_of(await post(transport, upstream))
    await transport.close()


async def test_an_upstream_that_goes_on_speaking_is_not_silent(upstream: ScriptedUpstream) -> None:
    ticks = [asyncio.Event() for _ in range(6)]
    upstream.play(STREAM.but(steps=tuple(step for tick in ticks for step in (b"x", tick))))
    transport = Transport(TransportOptions(read_timeout=PATIENT))
    response = await post(transport, upstream)
    body = Body(response)
    for tick in ticks:  # more than the limit in all, a fifth of it at a time
        assert await body.next() == b"x"
        await asyncio.sleep(PATIENT / 5)
        tick.set()
    assert await body.next() == b""
    await response.close()
    await transport.close()


async def test_the_clock_does_not_run_while_the_reader_is_the_slow_one(upstream: ScriptedUpstream) -> None:
    upstream.play(STREAM.but(steps=(b"x" * 100_000,) * 20))
    transport = Transport(TransportOptions(read_timeout=PATIENT))
    response = await post(transport, upstream)
    await until(lambda: response.reading_paused)
    await asyncio.sleep(PATIENT * 1.2)
    assert len(await body_of(response)) == 2_000_000
    await transport.close()


# -- stop and cancel ---------------------------------------------------------------------------------


async def test_a_stop_wakes_a_read_that_waits(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(STREAM.but(steps=(b"a",), end="stall"))
    response = await post(transport, upstream)
    body = Body(response)
    assert await body.next() == b"a"
    reading = asyncio.ensure_future(body.next())
    await asyncio.sleep(0)
    response.stop(REVOKED)
    with pytest.raises(StreamInterrupted) as caught:
        await reading
    assert caught.value.fault == REVOKED
    assert await cut_of(response) == (b"", REVOKED)
    await response.close()
    await asyncio.wait_for(upstream.last.gone.wait(), PATIENCE)


@pytest.mark.parametrize("end", ["stall", "whole"])
async def test_a_stop_discards_what_was_not_read(
    transport: Transport, upstream: ScriptedUpstream, end: Any
) -> None:
    upstream.play(STREAM.but(steps=(b"a", b"b"), end=end))
    response = await post(transport, upstream)
    if end == "whole":
        await upstream.last.played.wait()
        await settle()
    response.stop(CANCELLED)
    assert await cut_of(response) == (b"", CANCELLED)
    await response.close()


async def test_the_first_stop_counts(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(STREAM.but(steps=(b"a",), end="stall"))
    response = await post(transport, upstream)
    response.stop(REVOKED)
    response.stop(CANCELLED)
    assert await cut_of(response) == (b"", REVOKED)
    await response.close()


async def test_cancelling_before_the_head_closes_the_connection(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATH, (), before=asyncio.Event()))
    asking = asyncio.ensure_future(post(transport, upstream))
    request = await upstream.wait_for_request()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(request.gone.wait(), PATIENCE)


async def test_cancelling_a_read_leaves_the_exchange_to_be_closed(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(STREAM.but(steps=(), end="stall"))
    response = await post(transport, upstream)
    reading = asyncio.ensure_future(response.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await response.close()
    await asyncio.wait_for(upstream.last.gone.wait(), PATIENCE)


async def test_cancelling_the_drain_closes_the_connection(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    upstream.play(STREAM.but(steps=(b"all",), end="stall"))
    response = await post(transport, upstream)
    assert await Body(response).next() == b"all"
    closing = asyncio.ensure_future(response.close(finished=True))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await asyncio.wait_for(upstream.last.gone.wait(), PATIENCE)
