"""A disconnect or a stop after any number of loop turns: the call always ends properly.

Counted in turns of the loop, not in time: each number meets the call in another place (connecting, sending,
holding the head, in the middle of a read, at its end).
"""

import asyncio
import contextlib

import pytest

from chat2response.engine.live_runs import Run
from chat2response.wire.fault import DRAINING
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import error_of, every_way, failure_of, json_or_stream, post
from tests.support.e2e.scripted_model import ModelReply, stream, whole
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(reasoning=("I think.",), text=("Hello", " there"))
MOMENTS = range(0, 60, 4)


def _in_pieces(script: Script) -> Script:
    """Each step is followed by a loop turn; the stream has no end, so the gateway closes the connection."""
    return script.but(end="stall", pause=True)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@json_or_stream
@every_way
async def test_row_32_a_hang_up_at_any_moment(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play(_in_pieces((stream if streamed else whole)(dialect, REPLY)))
    gateway = await start(dialect)

    for count in MOMENTS:
        call = asyncio.ensure_future(post(gateway, surface, streamed=streamed))
        await _turns(count)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call

    await gateway.idle()
    assert len(gateway.runs) == 0
    await upstream.until(lambda: all(request.gone.is_set() for request in upstream.requests))
    assert len(upstream.requests) > 3, "some were under way"


@json_or_stream
@every_way
async def test_a_stop_at_any_moment(
    start: Start,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    surface: Surface,
    dialect: str,
    streamed: bool,
) -> None:
    upstream.play(_in_pieces((stream if streamed else whole)(dialect, REPLY)))
    gateway = await start(dialect)
    registered, add = asyncio.Event(), gateway.runs.add

    def noticed(run: Run) -> None:
        add(run)
        registered.set()

    monkeypatch.setattr(gateway.runs, "add", noticed)

    begun = 0
    for count in MOMENTS:
        registered.clear()
        call = asyncio.ensure_future(post(gateway, surface, streamed=streamed))
        await registered.wait()
        await _turns(count)
        gateway.runs.stop_all(DRAINING)
        answer = await call
        if answer.status_code != 200:
            assert (answer.status_code, error_of(answer)["message"]) == (503, DRAINING.message)
            continue
        begun += 1
        text = answer.content.replace(b" ", b"")
        if b'"finish_reason":"stop"' not in text and b"event:response.completed" not in text:
            assert failure_of(surface, answer.content)["message"] == DRAINING.message

    assert begun > 0 or not streamed
    await gateway.idle()
    assert len(gateway.runs) == 0


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_hang_ups_of_many_at_once(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play(_in_pieces(stream(dialect, REPLY)))
    gateway = await start(dialect)

    calls = [asyncio.ensure_future(post(gateway, "responses", streamed=True)) for _ in range(40)]
    for number, call in enumerate(calls):
        await _turns(number % 5)
        call.cancel()
    await asyncio.wait(calls)

    await gateway.idle()
    assert len(gateway.runs) == 0
    await upstream.until(lambda: all(request.gone.is_set() for request in upstream.requests))
