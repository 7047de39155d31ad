"""Calls that a shutdown or a revocation ends: the client gets an error at once."""

import asyncio

import pytest

from chat2response.keys.tokens.token import parse
from chat2response.wire.fault import DRAINING, REVOKED
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import (
    PATH,
    Reading,
    body_for,
    error_of,
    every_way,
    failure_of,
    json_or_stream,
    post,
    text_of,
)
from tests.support.e2e.scripted_model import PATHS, RESPONSES, ModelReply, stream, whole
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(text=("Hello", " there"))


def open_ended(dialect: str) -> Script:
    """A stream that stalls in the middle and stays open."""
    steps = tuple(step for step in stream(dialect, REPLY).steps if isinstance(step, bytes))
    at = next(number for number, step in enumerate(steps) if b"Hello" in step)
    return stream(dialect, REPLY).but(steps=steps[: at + 1], end="stall")


@json_or_stream
@every_way
async def test_before_the_head_it_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play(Script(PATHS[dialect], (), framing="raw", end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface, streamed=streamed))
    await upstream.wait_for_request()
    gateway.runs.stop_all(DRAINING)
    answer = await call

    assert answer.status_code == 503
    assert error_of(answer)["message"] == DRAINING.message
    await upstream.until(lambda: upstream.last.gone.is_set())


@every_way
async def test_while_the_first_event_is_awaited_it_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, REPLY).but(steps=(b": thinking\n\n",), end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface, streamed=True))
    await upstream.wait_for_request()
    await gateway.http.get("/livez")  # a round trip later the head has arrived
    gateway.runs.stop_all(DRAINING)
    answer = await call

    assert answer.status_code == 503
    assert error_of(answer)["message"] == DRAINING.message
    await upstream.until(lambda: upstream.last.gone.is_set())


@every_way
async def test_in_the_middle_of_a_stream_it_is_the_terminal_event(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(open_ended(dialect))
    gateway = await start(dialect)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        reading = Reading(answer)
        await reading.until(b"Hello")
        gateway.runs.stop_all(DRAINING)
        data = await reading.rest()

    assert text_of(surface, data) == "Hello"
    assert failure_of(surface, data)["message"] == DRAINING.message
    await upstream.until(lambda: upstream.last.gone.is_set())


@every_way
async def test_in_the_middle_of_a_json_answer_it_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    (body,) = whole(dialect, REPLY).steps
    assert isinstance(body, bytes)
    upstream.play(Script(PATHS[dialect], (body[:20],), end="stall"))
    gateway = await start(dialect)

    call = asyncio.ensure_future(post(gateway, surface))
    await upstream.wait_for_request()
    gateway.runs.stop_all(DRAINING)
    answer = await call

    assert answer.status_code == 503
    await upstream.until(lambda: upstream.last.gone.is_set())


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_only_the_runs_of_one_key(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play(open_ended(dialect))
    gateway = await start(dialect)
    other = await gateway.issue()
    parsed = parse(other)
    assert parsed is not None

    body = body_for("responses", streamed=True)
    theirs = {"authorization": f"Bearer {other}"}
    async with (
        gateway.http.stream("POST", RESPONSES, json=body) as mine,
        gateway.http.stream("POST", RESPONSES, json=body, headers=theirs) as revoked,
    ):
        reading, ending = Reading(mine), Reading(revoked)
        await reading.until(b"Hello")
        await ending.until(b"Hello")
        for run in gateway.runs.of_key(parsed.id):
            run.stop(REVOKED)
        data = await ending.rest()
        assert len(gateway.runs) == 1

    assert failure_of("responses", data)["message"] == REVOKED.message


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_run_is_found_by_the_id_its_client_knows(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    upstream.play(open_ended(dialect))
    gateway = await start(dialect)

    body = body_for("responses", streamed=True)
    async with gateway.http.stream("POST", RESPONSES, json=body) as answer:
        reading = Reading(answer)
        await reading.until(b"Hello")
        (run,) = gateway.runs
        assert run.response_id is not None and f'"{run.response_id}"'.encode() in reading.data
        assert gateway.runs.of_response(run.response_id) == [run]
        run.stop(DRAINING)
        data = await reading.rest()

    assert failure_of("responses", data)["message"] == DRAINING.message


@every_way
async def test_stopping_what_has_ended_changes_nothing(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(stream(dialect, REPLY))
    gateway = await start(dialect)

    data = (await post(gateway, surface, streamed=True)).content
    await gateway.idle()
    gateway.runs.stop_all(DRAINING)

    assert text_of(surface, data) == "Hello there"
    assert text_of(surface, (await post(gateway, surface, streamed=True)).content) == "Hello there"


@json_or_stream
@every_way
async def test_what_begins_after_the_end_is_refused_and_not_sent_up(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    gateway = await start(dialect)
    gateway.runs.end(DRAINING)

    answer = await post(gateway, surface, streamed=streamed)

    assert (answer.status_code, error_of(answer)["message"]) == (503, DRAINING.message)
    assert upstream.requests == []
