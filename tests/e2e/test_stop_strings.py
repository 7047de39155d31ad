"""`stop` with a Responses upstream: the gateway searches the text, and stops the upstream at once."""

from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.scripted_model import RESPONSES, Call, ModelReply, frames, speaking, sse
from tests.support.e2e.sse_streams import last_response
from tests.support.scripted_upstream import ScriptedUpstream

TALK: dict[str, Any] = {"model": CLIENT_MODEL, "messages": [{"role": "user", "content": "Count."}]}


def endless(*words: str) -> Any:
    """A stream with these texts that then stalls until the gateway disconnects."""
    events = list(ModelReply(text=words).events())
    deltas = [event["type"] for event in events].index("response.output_text.done")
    return frames("responses", *sse(*events[:deltas], done=False)).but(end="stall")


@pytest.mark.parametrize("stop", ["3", ["nine", "\n3"], ["2\n3"]])
async def test_the_sdk_gets_the_text_before_it(start: Start, upstream: ScriptedUpstream, stop: Any) -> None:
    upstream.play(endless("1\n", "2", "\n3\n", "4"))
    client = (await start("responses")).sdk()
    expected = "1\n2\n" if stop == "3" else "1\n2" if stop != ["2\n3"] else "1\n"

    whole = await client.chat.completions.create(**TALK, stop=stop)
    assert whole.choices[0].message.content == expected
    assert whole.choices[0].finish_reason == "stop"
    sent = await upstream.wait_for_request(1)
    assert "stop" not in sent.json()
    await sent.gone.wait()

    pieces = []
    stream = await client.chat.completions.create(**TALK, stop=stop, stream=True)
    async for chunk in stream:
        pieces.append(chunk.choices[0].delta.content or "")
        last = chunk.choices[0].finish_reason
    assert ("".join(pieces), last) == (expected, "stop")
    await (await upstream.wait_for_request(2)).gone.wait()


async def test_an_answer_without_it_is_whole(start: Start, upstream: ScriptedUpstream) -> None:
    """The whole response equals the accumulated stream (pitfalls, row 56)."""
    reply = ModelReply(reasoning=("Hm.",), text=("It ", "is."), calls=(Call("look", ('{"at":', '"x"}')),))
    upstream.play_for(RESPONSES, speaking("responses", reply))
    client = (await start("responses")).sdk()
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    plain = await client.chat.completions.create(**TALK, tools=tools)
    watched = await client.chat.completions.create(**TALK, tools=tools, stop=["never"])
    leave_out: Any = {"id", "created", "service_tier"}  # a response of ours names a tier
    for result in (plain, watched):
        assert result.choices[0].message.tool_calls[0].function.arguments == '{"at":"x"}'
    assert watched.model_dump(exclude=leave_out) == plain.model_dump(exclude=leave_out)


async def test_an_error_of_the_upstream_stays_a_status(start: Start, upstream: ScriptedUpstream) -> None:
    failed = {
        "type": "response.failed",
        "sequence_number": 0,
        "response": {
            "id": "r",
            "status": "failed",
            "error": {"code": "rate_limit_exceeded", "message": "Slow down."},
            "output": [],
        },
    }
    upstream.play(frames("responses", *sse(failed, done=False)))
    gateway = await start("responses")
    answer = await gateway.post("/v1/chat/completions", {**TALK, "stop": "x"})
    assert answer.status_code == 429
    assert answer.json()["error"]["message"] == "Slow down."


async def test_a_stop_that_cannot_be_watched_for_is_refused(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("responses")
    for path in ("/v1/chat/completions", "/proxy"):
        odd = await gateway.post(path, {**TALK, "stop": [1]})
        assert (odd.status_code, odd.json()["error"]["param"]) == (400, "stop[0]")
    assert not upstream.requests


@pytest.mark.parametrize("streamed", [False, True])
async def test_on_proxy_the_response_ends_before_it_too(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play(endless("1\n", "2", "\n3\n", "4"))
    gateway = await start("responses")

    answer = await gateway.post("/proxy", {**TALK, "stop": ["3"], "stream": streamed, "store": True})

    response = last_response(answer.content) if streamed else answer.json()
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["text"] == "1\n2\n"
    sent = await upstream.wait_for_request(1)
    assert "stop" not in sent.json()
    await sent.gone.wait()
    assert "store; not stored" in answer.headers["x-chat2response-losses"], "the response's id is ours"


@pytest.mark.parametrize("stop", [None, []])
async def test_on_proxy_no_stop_string_leaves_the_answer_a_relay(
    start: Start, upstream: ScriptedUpstream, stop: Any
) -> None:
    upstream.play_for(RESPONSES, speaking("responses", ModelReply(text=("Hi",))))
    gateway = await start("responses")
    answer = await gateway.post("/proxy", {**TALK, "stop": stop, "store": True})
    assert answer.status_code == 200
    assert "x-chat2response-losses" not in answer.headers
    assert "stream" not in upstream.last.json(), "nothing is watched for"
