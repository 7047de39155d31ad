"""The body of a response that is fed by hand: what its receivers get, when, and what the connection does."""

import asyncio
import gc
import gzip
import weakref
from collections.abc import Callable

import pytest

from chat2response.errors import UpstreamError
from chat2response.net.http_response import HttpResponse
from chat2response.net.received_bytes import SLICE
from chat2response.net.transport import StreamInterrupted
from chat2response.wire.fault import CANCELLED, RESET, REVOKED, TIMEOUT
from tests.support.driven_response import CODED, Driven, Recorder, fault_of

HIGH_WATER = 16 * 1024
TURN = 64 * 1024  # decoded bytes in a turn of the loop

# -- data ----------------------------------------------------------------------------------------------


def test_bytes_that_came_with_the_head_wait_for_a_receiver() -> None:
    response = Driven().fed(b"a", b"b")
    receiver = Recorder()
    response.push(receiver)
    assert receiver.data == b"ab"
    response.feed(b"c")
    assert receiver.data == b"abc"
    assert not receiver.ended


def test_a_read_is_one_piece_and_a_large_one_is_several() -> None:
    response, receiver = Driven(), Recorder()
    response.push(receiver)
    large = bytes(range(256)) * 256  # 64 KiB, as large as a read
    response.fed(b"a", b"b", large[:SLICE], large + b"c")
    sizes = [len(piece) for piece in receiver.pieces]
    assert sizes == [1, 1, SLICE, *[SLICE] * 4, 1]
    assert receiver.data == b"ab" + large[:SLICE] + large + b"c"


def test_who_pauses_inside_gets_nothing_more_until_it_resumes() -> None:
    response = Driven()
    receiver = Recorder(lambda _: response.pause())
    response.push(receiver)
    response.fed(b"a", b"b", b"c")
    assert receiver.pieces == [b"a"]
    response.resume()
    assert receiver.pieces == [b"a", b"bc"], "what waited comes together"
    response.resume()
    response.fed(b"d" * (2 * SLICE))
    assert [len(piece) for piece in receiver.pieces[2:]] == [SLICE], "also between the slices of a read"


def test_who_resumes_inside_goes_on() -> None:
    response = Driven()

    def hesitate(_: bytes) -> None:
        response.pause()
        response.resume()

    receiver = Recorder(hesitate)
    response.fed(b"a" * (3 * SLICE)).push(receiver)
    response.feed(b"b")
    assert receiver.data == b"a" * (3 * SLICE) + b"b"


def test_reading_pauses_above_the_high_water_mark_until_all_is_taken() -> None:
    response = Driven().fed(b"a" * HIGH_WATER)
    line = response.line
    assert not line.paused and not response.reading_paused
    response.feed(b"b")
    assert line.paused and response.reading_paused
    response.feed(b"c" * SLICE)  # was on its way
    assert line.pauses == 1
    receiver = Recorder(lambda _: response.pause())
    response.push(receiver)
    response.resume()
    assert line.paused, "a byte is left"
    response.resume()
    assert line.paused, "the receiver got the last byte, and pauses"
    response.resume()
    assert (line.pauses, line.resumes, response.reading_paused) == (1, 1, False)
    assert len(receiver.data) == HIGH_WATER + 1 + SLICE


def test_reading_does_not_pause_for_a_receiver_that_takes_all() -> None:
    response, receiver = Driven(), Recorder()
    response.push(receiver)
    response.fed(*[b"x" * 65_536] * 10)
    assert len(receiver.data) == 655_360
    assert response.line.pauses == 0


def test_nothing_resumes_a_connection_whose_response_is_over() -> None:
    """It may serve another one already."""
    for over in (Driven.finish, lambda it: it.fail(StreamInterrupted(RESET))):
        response = Driven().fed(b"a" * 20_000)
        over(response)
        response.push(Recorder())
        assert response.line.resumes == 0


def test_bytes_that_are_put_back_come_first_and_in_slices() -> None:
    for coding, encode in CODED.items():
        response = Driven(coding).fed(encode(b"ab" * (SLICE // 2)))
        first = Recorder()
        response.push(first)
        response.put_back(first.data)
        response.put_back(b"c" * (2 * SLICE))
        second = Recorder()
        response.push(second)
        assert second.data == b"c" * (2 * SLICE) + b"ab" * (SLICE // 2)


# -- the end -------------------------------------------------------------------------------------------


def test_the_end_comes_once_after_all_data() -> None:
    response, receiver = Driven(), Recorder()
    response.push(receiver)
    response.feed(b"a")
    response.finish()
    response.fail(StreamInterrupted(RESET))  # the connection closes later
    response.resume()
    assert (receiver.data, receiver.ends) == (b"a", [None])


def test_the_end_waits_while_the_receiver_pauses() -> None:
    response = Driven()
    receiver = Recorder(lambda _: response.pause())
    response.push(receiver)
    response.fed(b"a", b"b").finish()
    assert not receiver.ended
    response.resume()
    assert (receiver.data, receiver.ends) == (b"ab", []), "it pauses again"
    response.resume()
    assert receiver.ends == [None]


def test_what_has_arrived_passes_before_an_interruption() -> None:
    response = Driven().fed(b"a")
    response.fail(StreamInterrupted(TIMEOUT))
    response.fail(StreamInterrupted(RESET))
    receivers = [Recorder(), Recorder()]
    for receiver in receivers:
        response.push(receiver)
    assert [receiver.data for receiver in receivers] == [b"a", b""]
    assert [fault_of(*receiver.ends) for receiver in receivers] == [TIMEOUT, TIMEOUT], "the first one counts"


@pytest.mark.parametrize("waiting", [b"", b"x" * 40_000])
@pytest.mark.parametrize("with_head", [True, False])
def test_a_stop_inside_ends_before_the_receiver_returns(waiting: bytes, with_head: bool) -> None:
    response = Driven()

    def stop(_: bytes) -> None:
        response.stop(REVOKED)
        assert fault_of(*receiver.ends) == REVOKED

    receiver = Recorder(stop)
    if with_head:
        response.fed(b"a" + waiting).push(receiver)
    else:
        response.push(receiver)
        response.feed(b"a" + waiting)
    assert len(receiver.pieces) == 1
    response.feed(b"later")
    response.finish()
    response.resume()
    late = Recorder()
    response.push(late)
    assert (late.data, fault_of(*late.ends)) == (b"", REVOKED)


def test_a_stop_ends_a_receiver_that_pauses() -> None:
    response = Driven()
    receiver = Recorder(lambda _: response.pause())
    response.push(receiver)
    response.fed(b"a", b"b").stop(REVOKED)
    assert (receiver.data, fault_of(*receiver.ends)) == (b"a", REVOKED)


@pytest.mark.parametrize(
    ("over", "fault"),
    [(Driven.finish, REVOKED), (lambda response: response.fail(StreamInterrupted(RESET)), RESET)],
)
def test_a_stop_ends_a_receiver_that_pauses_before_the_end_that_came(
    over: Callable[[Driven], None], fault: object
) -> None:
    response = Driven()
    receiver = Recorder(lambda _: response.pause())
    response.push(receiver)
    over(response.fed(b"a", b"b"))
    assert not receiver.ended
    response.stop(REVOKED)
    assert (receiver.data, fault_of(*receiver.ends)) == (b"a", fault)
    response.stop(CANCELLED)
    response.resume()


def test_a_stop_before_there_is_a_receiver() -> None:
    response = Driven().fed(b"a")
    response.stop(REVOKED)
    response.stop(CANCELLED)
    response.fed(*[b"x" * SLICE] * 10)
    assert response.line.pauses == 0, "what comes after it is dropped"
    receiver = Recorder()
    response.push(receiver)
    assert (receiver.data, fault_of(*receiver.ends)) == (b"", REVOKED)


def test_a_stop_after_the_end_changes_nothing_for_the_receiver() -> None:
    response, receiver = Driven(), Recorder()
    response.push(receiver)
    response.fed(b"a").finish()
    response.stop(REVOKED)
    assert receiver.ends == [None]


# -- another receiver ----------------------------------------------------------------------------------


def test_another_receiver_gets_the_rest() -> None:
    response, second = Driven(), Recorder()
    first = Recorder(lambda _: response.push(second))
    response.fed(b"a" * (SLICE + 1)).push(first)
    response.feed(b"b")
    response.finish()
    assert (len(first.data), second.data, second.ends) == (SLICE, b"ab", [None])
    assert not first.ended


@pytest.mark.parametrize("with_head", [True, False])
def test_another_receiver_gets_what_is_put_back(with_head: bool) -> None:
    response, second = Driven(), Recorder()

    def replace(data: bytes) -> None:
        response.pause()
        response.put_back(data)
        response.push(second)

    if with_head:
        response.fed(b"a", b"b").push(Recorder(replace))
        assert second.data == b"ab"
    else:
        response.push(Recorder(replace))
        response.feed(b"a")
        assert second.data == b"a"
    response.finish()
    assert second.ends == [None]


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("over", ["whole", "failed", "stopped", "broken"])
@pytest.mark.parametrize("with_head", [True, False])
def test_another_receiver_inside_the_end_gets_the_same_end(coding: str, over: str, with_head: bool) -> None:
    response, second, third = Driven(coding), Recorder(), Recorder()
    first = Recorder(after=lambda _: response.push(second))
    second._after = lambda _: response.push(third)
    if not with_head:
        response.push(first)
    response.feed(b"no encoding" if over == "broken" else CODED[coding](b"a"))
    if over == "failed":
        response.fail(StreamInterrupted(TIMEOUT))
    elif over == "stopped":
        response.stop(REVOKED)
    else:
        response.finish()
    if with_head:
        response.push(first)
    assert len(first.ends) == len(second.ends) == len(third.ends) == 1
    for end in (*first.ends, *second.ends, *third.ends):
        if over in ("failed", "stopped"):
            assert fault_of(end) == (TIMEOUT if over == "failed" else REVOKED)
        else:
            assert (end is None) is (over == "whole" or coding == "identity")


# -- content encodings ---------------------------------------------------------------------------------

ENCODINGS = [coding for coding in CODED if coding != "identity"]


@pytest.mark.parametrize("coding", ENCODINGS)
async def test_what_a_few_bytes_stand_for_lets_the_loop_run(coding: str) -> None:
    response, receiver = Driven(coding), Recorder()
    response.push(receiver)
    coded = CODED[coding](b"\0" * 2_000_000)
    before = 0
    for at in range(0, len(coded), 16):  # each read comes in a turn of its own
        response.feed(coded[at : at + 16])
        await asyncio.sleep(0)
        assert len(receiver.data) - before <= 2 * TURN, "reads do not add to the bytes of a turn"
        before = len(receiver.data)
    response.finish()
    while not receiver.ended:
        before = len(receiver.data)
        await asyncio.sleep(0)
        assert len(receiver.data) - before <= TURN
    assert (len(receiver.data), receiver.ends) == (2_000_000, [None])


async def test_reads_and_resumes_do_not_add_to_the_bytes_of_a_turn() -> None:
    response, receiver = Driven("gzip"), Recorder()
    response.push(receiver)
    response.feed(gzip.compress(b"\0" * 5_000_000)[:-20])
    for _ in range(20):
        response.feed(b"")
        response.pause()
        response.resume()
        response.push(receiver)
    assert len(receiver.data) == TURN
    await asyncio.sleep(0)
    assert len(receiver.data) == 2 * TURN
    response.stop(REVOKED)
    assert fault_of(*receiver.ends) == REVOKED
    await asyncio.sleep(0)
    assert len(receiver.data) == 2 * TURN


@pytest.mark.parametrize("coding", ENCODINGS)
async def test_a_broken_encoding_is_an_error_after_what_could_be_read(coding: str) -> None:
    response, receiver = Driven(coding), Recorder()
    response.push(receiver)
    response.fed(CODED[coding](b"ok"), b"\xff" * 100, b"more").finish()
    assert [type(end) for end in receiver.ends] == [UpstreamError]
    late = Recorder()
    response.push(late)
    assert (late.data, late.ends) == (b"", receiver.ends)


@pytest.mark.parametrize("coding", ENCODINGS)
async def test_an_encoding_without_its_end_is_an_interruption(coding: str) -> None:
    coded = CODED[coding](b"text " * 100)
    for size in range(1, len(coded)):
        response, receiver = Driven(coding), Recorder()
        response.push(receiver)
        response.fed(coded[:size]).finish()
        assert fault_of(*receiver.ends) == RESET
    empty = Recorder()
    nothing = Driven(coding)
    nothing.finish()
    nothing.push(empty)
    assert empty.ends == [None], "no body at all is no damage"


# -- read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("size", [0, 1, SLICE, SLICE + 1, 200_000])
@pytest.mark.parametrize("early", [True, False])
async def test_read_returns_the_whole_body(coding: str, size: int, early: bool) -> None:
    text = (bytes(range(256)) * 1000)[:size]
    coded = CODED[coding](text) if size else b""
    pieces = [coded[at : at + 5000] for at in range(0, len(coded), 5000)]
    response = Driven(coding)
    reading = asyncio.ensure_future(response.read(size)) if early else None
    await asyncio.sleep(0)
    response.fed(*pieces).finish()
    assert await (reading or response.read(size)) == text
    await response.close()
    assert response.line.aborts == 0


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("size", [2, SLICE, 100_000])
@pytest.mark.parametrize("finished", [True, False])
async def test_read_has_a_limit(coding: str, size: int, finished: bool) -> None:
    response = Driven(coding).fed(CODED[coding](b"x" * size))
    if finished:
        response.finish()
    with pytest.raises(UpstreamError) as caught:
        await response.read(size - 1)
    assert caught.value.code == "upstream_too_large"
    await response.close()
    assert response.line.aborts == (not finished)


async def test_read_after_a_part_was_put_back() -> None:
    response = Driven()

    def return_it(data: bytes) -> None:
        response.pause()
        response.put_back(data)

    first = Recorder(return_it)
    response.push(first)
    response.fed(b"ab", b"c").finish()
    assert await response.read() == b"abc"
    response.stop(REVOKED)
    assert not first.ended, "it is not the receiver any more"


@pytest.mark.parametrize("waits", [True, False])
async def test_read_of_what_is_interrupted(waits: bool) -> None:
    response = Driven().fed(b"a")
    reading = asyncio.ensure_future(response.read())
    if waits:
        await asyncio.sleep(0)
    response.stop(REVOKED)
    with pytest.raises(UpstreamError, match=REVOKED.message):
        await reading


# -- close ---------------------------------------------------------------------------------------------


async def test_closing_a_finished_stream_waits_for_its_end() -> None:
    response, receiver = Driven(), Recorder()
    response.push(receiver)
    response.fed(b"last")
    response.pause()
    response.feed(b"x" * 20_000)
    closing = asyncio.ensure_future(response.close(finished=True))
    await asyncio.sleep(0)
    assert not response.line.paused, "the rest is dropped"
    response.feed(b"y")
    response.finish()
    await closing
    assert response.line.aborts == 0
    assert (receiver.data, receiver.ends) == (b"last", []), "a response that is closed pushes nothing"


@pytest.mark.parametrize("over", ["never", "failed", "stopped", "before"])
async def test_closing_what_does_not_end_aborts(over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat2response.net.http_response._DRAIN_SECONDS", 0.01 if over == "never" else 20)
    response = Driven().fed(b"a")
    if over == "before":
        response.fail(StreamInterrupted(RESET))
    closing = asyncio.ensure_future(response.close(finished=True))
    await asyncio.sleep(0)
    if over == "failed":
        response.fail(StreamInterrupted(RESET))
    elif over == "stopped":
        response.stop(REVOKED)
    await closing
    assert response.line.aborts


@pytest.mark.parametrize("finished", [True, False])
async def test_closing_a_whole_response_is_at_once(finished: bool) -> None:
    response = Driven().fed(b"a")
    response.finish()
    await response.close(finished=finished)
    assert response.line.aborts == 0


async def test_closing_early_aborts() -> None:
    response, receiver = Driven(), Recorder()
    response.push(receiver)
    await response.close()
    assert response.line.aborts == 1
    response.fail(StreamInterrupted(RESET))  # as the connection reports it
    assert not receiver.ended


# -- memory --------------------------------------------------------------------------------------------


class Keeper(Recorder):
    """Refers to its response, as an answer does."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(lambda _: response.pause())
        self.response = response


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("how", ["whole", "paused", "stopped", "failed", "broken", "drained", "read"])
async def test_a_closed_response_and_its_receiver_are_freed_at_once(coding: str, how: str) -> None:
    gc.collect()
    gc.disable()
    try:
        response = Driven(coding)
        receiver = Keeper(response)
        response.push(receiver)
        response.feed(b"broken" if how == "broken" else CODED[coding](b"a" * 100_000))
        await _end(response, how)
        left: list[weakref.ref[object]] = [weakref.ref(response), weakref.ref(receiver)]
        del response, receiver
        await asyncio.sleep(0)
        assert [each() for each in left] == [None, None]
    finally:
        gc.enable()


async def _end(response: Driven, how: str) -> None:
    if how == "whole":
        response.finish()
        while response._receiver is not None:
            response.resume()
            await asyncio.sleep(0)
    elif how == "stopped":
        response.stop(REVOKED)
    elif how == "failed":
        response.resume()
        response.fail(StreamInterrupted(RESET))
    elif how == "read":
        with pytest.raises(UpstreamError):
            await response.read(1000)
    await response.close(finished=how == "drained")
