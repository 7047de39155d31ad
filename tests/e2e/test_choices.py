"""`n` choices from a Responses upstream, which returns one (pitfalls, row 38)."""

import asyncio
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.scripted_model import (
    CHAT,
    RESPONSES,
    Call,
    ModelReply,
    frames,
    refused,
    speaking,
    sse,
    stream,
)
from tests.support.e2e.sse_streams import chunks_of
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

TALK: dict[str, Any] = {"model": CLIENT_MODEL, "messages": [{"role": "user", "content": "Hi"}]}
SAYS = [
    ModelReply(text=("a", "b")),
    ModelReply(text=("c",), ended="length"),
    ModelReply(calls=(Call("look", ('{"at":', "1}")),)),
]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


class Different:
    """A model that answers each request differently."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, request: Received) -> Script:
        reply = SAYS[self.requests % len(SAYS)]
        self.requests += 1
        return speaking("responses", reply)(request)


def summary_of(choices: list[Any]) -> set[Any]:
    return {
        (
            choice.message.content or "",
            "".join(call.function.arguments for call in choice.message.tool_calls or ()),
            choice.finish_reason,
        )
        for choice in choices
    }


EXPECTED = {("ab", "", "stop"), ("c", "", "length"), ("", '{"at":1}', "tool_calls")}


async def test_row_38_whole_answers_are_merged(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, Different())
    completion = await (await start("responses")).sdk().chat.completions.create(**TALK, n=3, tools=TOOLS)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert summary_of(completion.choices) == EXPECTED
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (33, 21)
    assert len(upstream.requests) == 3
    assert all("n" not in request.json() for request in upstream.requests)


async def test_row_38_streams_are_merged(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, Different())
    gateway = await start("responses")
    options: Any = {"include_usage": True}
    async with gateway.sdk().chat.completions.stream(
        **TALK, n=3, tools=TOOLS, stream_options=options
    ) as events:
        async for _ in events:
            pass
        result = events.current_completion_snapshot
    assert summary_of(result.choices) == EXPECTED
    assert result.usage is not None and result.usage.total_tokens == 54

    answer = await gateway.post("/v1/chat/completions", {**TALK, "n": 3, "stream": True})
    chunks = chunks_of(answer.content)
    assert len({chunk["id"] for chunk in chunks}) == 1
    for index in range(3):
        mine = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        assert sum("role" in choice["delta"] for choice in mine) == 1
        assert sum(choice["finish_reason"] is not None for choice in mine) == 1
    assert answer.content.count(b"[DONE]") == 1
    assert not any(chunk.get("usage") for chunk in chunks)


async def test_one_delta_stays_one_chunk_of_its_choice(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, lambda request: stream("responses", SAYS[0]))
    answer = await (await start("responses")).post("/v1/chat/completions", {**TALK, "n": 2, "stream": True})
    texts = [choice for chunk in chunks_of(answer.content) for choice in chunk["choices"]]
    reply = [
        (choice["index"], choice["delta"]["content"]) for choice in texts if choice["delta"].get("content")
    ]
    assert sorted(reply) == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_branch_that_is_refused_fails_the_call(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    waits = asyncio.Event()
    error = {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    scripts = [
        stream("responses", SAYS[0]).but(before=waits),
        refused("responses", 429, error, ("retry-after", "7")),
    ]
    upstream.play_for(RESPONSES, lambda request: scripts[min(len(upstream.requests) - 1, 1)])
    answer = await (await start("responses")).post(
        "/v1/chat/completions", {**TALK, "n": 2, "stream": streamed}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["message"] == "Slow down."
    await upstream.requests[0].gone.wait()  # the other one was not left running


async def test_a_branch_that_fails_later_stops_the_others(start: Start, upstream: ScriptedUpstream) -> None:
    begun = list(ModelReply(text=("a", "b")).events())[:6]
    failed = {
        "type": "response.failed",
        "sequence_number": 9,
        "response": {
            "id": "r",
            "object": "response",
            "status": "failed",
            "error": {"code": "server_error", "message": "It broke."},
            "output": [],
        },
    }
    endless = frames("responses", *sse(*begun, done=False)).but(end="stall")
    broken = frames("responses", *sse(*begun, failed, done=False))
    upstream.play_for(RESPONSES, lambda request: endless if len(upstream.requests) == 1 else broken)
    gateway = await start("responses")
    gateway.recorder.judged = False  # the choices have no end
    answer = await gateway.post("/v1/chat/completions", {**TALK, "n": 2, "stream": True})
    frames_out = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    assert frames_out[-1] == "data: [DONE]"
    assert '"error"' in frames_out[-2] and "It broke." in frames_out[-2]
    assert sum('"error"' in frame for frame in frames_out) == 1
    await upstream.requests[0].gone.wait()


async def test_a_client_that_hangs_up_stops_all(start: Start, upstream: ScriptedUpstream) -> None:
    begun = list(ModelReply(text=("a", "b")).events())[:6]
    upstream.play(frames("responses", *sse(*begun, done=False)).but(end="stall"))
    gateway = await start("responses")
    async with gateway.http.stream(
        "POST", "/v1/chat/completions", json={**TALK, "n": 3, "stream": True}
    ) as answer:
        words = answer.aiter_raw()
        await anext(words)
    for number in (1, 2, 3):
        await (await upstream.wait_for_request(number)).gone.wait()


async def test_bounds_and_other_ways(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("responses")
    many = await gateway.post("/v1/chat/completions", {**TALK, "n": 9})
    assert (many.status_code, many.json()["error"]["param"]) == (400, "n")
    proxied = await gateway.post("/proxy", {**TALK, "n": 2})
    assert (proxied.status_code, proxied.json()["error"]["param"]) == (400, "n")
    converted = await gateway.post("/convert", {**TALK, "n": 2})
    assert (converted.status_code, converted.json()["error"]["param"]) == (400, "n")
    odd = await gateway.post("/v1/chat/completions", {**TALK, "n": "two"})
    assert (odd.status_code, odd.json()["error"]["param"]) == (400, "n")
    assert not upstream.requests

    upstream.play_for(CHAT, speaking("chat", SAYS[0]))
    native = await start("chat")
    await native.post("/v1/chat/completions", {**TALK, "n": 2})
    assert upstream.last.json()["n"] == 2  # a Chat upstream counts itself
