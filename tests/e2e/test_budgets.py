"""Attempts to bypass a budget, over real sockets: every call that an upstream processes is charged."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from chat2response.quota.request_estimate import estimate_input
from chat2response.quota.usage_log import UsageTotals
from chat2response.quota.windows import DAY, KIND, LEASE_SECONDS
from tests.e2e.conftest import Start
from tests.e2e.test_limits import ASK, TALK, limited
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, frames, speaking, sse, whole
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(text=("word " * 60, "It is."))
NOW = 1_795_694_400.0
WAYS = ["/v1/responses", "/v1/chat/completions", "/proxy"]


def body_of(path: str, **more: Any) -> dict[str, Any]:
    return {**(ASK if path == "/v1/responses" else TALK), **more}


async def used(gateway: Running) -> UsageTotals:
    """The stored usage of all calls."""
    usage = gateway.services.usage
    (row,) = await usage.for_all(usage.today(), usage.today())
    return row.usage


async def settled(gateway: Running, who: dict[str, str]) -> int:
    """The tokens that count for the key's day."""
    id = who["authorization"].removeprefix("Bearer sk_").partition(".")[0]
    ledger = f"{id}.tokens.2026-11-26"
    return (await gateway.services.store.lease(KIND, ledger, 0, ttl=LEASE_SECONDS, window=2.0 * DAY)).used


async def begin(start: Start, dialect: str) -> Running:
    return await start(dialect, clock=lambda: NOW)


def saying(dialect: str, **changes: Any) -> Script:
    """A whole answer with some of its keys changed."""
    script = whole(dialect, REPLY)
    (body,) = script.steps
    assert isinstance(body, bytes)
    return script.but(steps=(json.dumps({**json.loads(body), **changes}).encode(),))


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "input_tokens": 0, "output_tokens": 0}


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("result", [None, {}, ZEROS, "many"])
async def test_a_whole_answer_that_does_not_say_what_it_used_is_estimated(
    start: Start, upstream: ScriptedUpstream, dialect: str, path: str, result: Any
) -> None:
    """It is charged like a stream: the input, and the output that arrived."""
    upstream.play(saying(dialect, usage=result))
    gateway = await begin(start, dialect)
    who = await limited(gateway, tokens_per_day=5000)
    answer = await gateway.post(path, body_of(path), headers=who)
    assert answer.status_code == 200, answer.text
    books = await used(gateway)
    assert (books.requests, books.estimated) == (1, 1)
    assert 60 <= books.output_tokens <= 120
    assert 5 < books.input_tokens < 60
    assert await settled(gateway, who) == books.input_tokens + books.output_tokens


@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_background_response_keeps_what_it_reserved(
    start: Start, upstream: ScriptedUpstream, path: str, stream: bool
) -> None:
    """The gateway does not see its end: neither after `queued`, nor after an interrupted stream."""
    begun = REPLY.resource(status="queued", output=[], usage=None)
    if stream:
        upstream.play(frames("responses", *sse(*REPLY.events()[:3], done=False)).but(end="cut"))
    else:
        upstream.play(Script(RESPONSES, (json.dumps(begun).encode(),)))
    gateway = await begin(start, "responses")
    gateway.recorder.judged = False
    who = await limited(gateway, tokens_per_day=5000, concurrent_requests=1)
    body = json.dumps(body_of(path, background=True, stream=stream, **{_limit(path): 800})).encode()
    answer = await gateway.post(path, body, headers=who)
    result = path == "/v1/chat/completions" and not stream  # Chat has no word for an answer that comes later
    assert answer.status_code == (502 if result else 200), answer.text
    await gateway.idle()
    assert await settled(gateway, who) == 800 + estimate_input(body)
    assert (await used(gateway)).estimated == 1
    refused = await gateway.post(path, body_of(path), headers=who)
    assert refused.status_code == 429, "its slot is taken for as long as a lease lasts"


async def test_a_background_response_that_ends_in_its_stream_costs_what_it_says(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(frames("responses", *sse(*REPLY.events(), done=False)))
    gateway = await begin(start, "responses")
    who = await limited(gateway, tokens_per_day=5000, concurrent_requests=1)
    await gateway.post("/v1/responses", {**ASK, "background": True, "stream": True}, headers=who)
    assert await settled(gateway, who) == 18


def _limit(path: str) -> str:
    return "max_output_tokens" if path == "/v1/responses" else "max_tokens"


FAILED = {"message": "no", "type": "server_error", "code": "server_error"}
COUNTED = {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100}
USAGE = {"input_tokens": 70, "output_tokens": 30, "total_tokens": 100}


def failures() -> Iterable[Any]:
    """Failed responses with usage, in each form: dialect, streamed or not, script."""
    failed = REPLY.resource(status="failed", error=FAILED, output=[], usage=USAGE)
    chunk = {"error": FAILED, "usage": COUNTED}
    first = REPLY.events()[:1]
    ended = {"type": "response.failed", "sequence_number": 1, "response": failed}
    text = list(REPLY.chunks(usage=False))[:2]
    for dialect, stream, name, script in (
        ("chat", False, "status", Script(CHAT, (json.dumps(chunk).encode(),), status=500)),
        ("chat", False, "200", Script(CHAT, (json.dumps(chunk).encode(),))),
        ("chat", True, "first", frames("chat", *sse(chunk, done=False))),
        ("chat", True, "late", frames("chat", *sse(*text, chunk, done=False))),
        (
            "responses",
            False,
            "status",
            Script(RESPONSES, (json.dumps({**chunk, "usage": USAGE}).encode(),), status=500),
        ),
        ("responses", False, "resource", Script(RESPONSES, (json.dumps(failed).encode(),))),
        ("responses", True, "event", frames("responses", *sse(*first, ended, done=False))),
    ):
        yield pytest.param(dialect, stream, script, id=f"{dialect}-{name}")


@pytest.mark.parametrize(("dialect", "stream", "script"), list(failures()))
@pytest.mark.parametrize("path", WAYS)
async def test_a_failed_answer_costs_what_it_says_in_json_as_in_a_stream(
    start: Start, upstream: ScriptedUpstream, dialect: str, stream: bool, script: Script, path: str
) -> None:
    upstream.play(script)
    gateway = await begin(start, dialect)
    gateway.recorder.judged = False  # its frames are not well formed
    who = await limited(gateway, tokens_per_day=5000, concurrent_requests=1)
    await gateway.post(path, body_of(path, stream=stream), headers=who)
    await gateway.idle()
    books = await used(gateway)
    assert (books.input_tokens, books.output_tokens, books.estimated) == (70, 30, 0)
    assert await settled(gateway, who) == 100


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("stream", [False, True])
async def test_who_hangs_up_before_the_first_byte_pays_for_the_input(
    start: Start, upstream: ScriptedUpstream, dialect: str, path: str, stream: bool
) -> None:
    """The upstream has read the request; a response of which nothing arrived costs no output."""
    upstream.play(Script(PATHS[dialect], (), framing="raw", end="stall"))
    gateway = await begin(start, dialect)
    who = await limited(gateway, tokens_per_day=5000, concurrent_requests=1)
    body = json.dumps(body_of(path, stream=stream)).encode()
    call = asyncio.ensure_future(gateway.post(path, body, headers=who))
    await upstream.wait_for_request()
    call.cancel()
    await upstream.until(lambda: upstream.last.gone.is_set())
    await gateway.idle()
    assert await settled(gateway, who) == estimate_input(body)
    assert (await used(gateway)).estimated == 1


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("path", WAYS)
async def test_the_largest_of_several_limits_is_checked(
    start: Start, upstream: ScriptedUpstream, dialect: str, path: str
) -> None:
    gateway = await begin(start, dialect)
    who = await limited(gateway, max_output_tokens=64)
    for first in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict"):
        for second in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict"):
            if first != second:
                for value in (65, 64.5, "65"):
                    body = body_of(path, **{first: 10, second: value})
                    refused = await gateway.post(path, body, headers=who)
                    assert refused.status_code == 400
    assert not upstream.requests


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict"])
async def test_a_limit_that_bounds_nothing_goes_up_as_the_keys_own(
    start: Start, upstream: ScriptedUpstream, dialect: str, path: str, stream: bool, name: str
) -> None:
    """Only this name is sent: the upstream knows no other."""
    upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
    gateway = await begin(start, dialect)
    who = await limited(gateway, max_output_tokens=64)
    for more, cap in (({}, 64), ({name: -1}, 64), ({_limit(path): 17, "num_predict": -1}, 17)):
        answer = await gateway.post(path, body_of(path, stream=stream, **more), headers=who)
        if answer.status_code == 400 and path == "/v1/responses":
            continue  # not a field of that API
        assert answer.status_code == 200, answer.text
        sent = upstream.last.json()
        limits = {key: sent[key] for key in sent if "tokens" in key or "predict" in key}
        assert list(limits.values()) == [cap], limits


@pytest.mark.parametrize("stream", [False, True])
async def test_each_choice_that_is_a_call_reads_the_input(
    start: Start, upstream: ScriptedUpstream, stream: bool
) -> None:
    """A stop string cuts the upstream off before it reports usage, so all of it is estimated."""
    upstream.play_for(RESPONSES, speaking("responses", ModelReply(text=("Hello STOP",))))
    gateway = await begin(start, "responses")
    who = await limited(gateway, tokens_per_day=5000, concurrent_requests=1)
    body = json.dumps({**body_of("/v1/chat/completions", stream=stream), "n": 4, "stop": "STOP"}).encode()
    answer = await gateway.post("/v1/chat/completions", body, headers=who)
    assert answer.status_code == 200
    await gateway.idle()
    books = await used(gateway)
    assert (books.requests, books.estimated, books.input_tokens) == (1, 1, 4 * estimate_input(body))
    assert await settled(gateway, who) == books.input_tokens + books.output_tokens
