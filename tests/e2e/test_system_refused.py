"""After an upstream rejects system messages, the call is repeated with them merged or marked."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import json_or_stream
from tests.support.e2e.scripted_model import CHAT, ModelReply, stream, whole
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

ITEMS = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "developer", "content": "One word."},
    {"role": "user", "content": "Capital of France?"},
]
BODY = {"model": "m", "instructions": "Help.", "input": ITEMS}
TEXT = "Jinja Exception: System message must be at the beginning."
REPLY = ModelReply(text=("Paris",))
REFUSAL = json.dumps({"error": {"message": TEXT, "type": "server_error", "code": 500}}).encode()


def refusing(status: int, *, streamed: bool, always: bool = False) -> Any:
    """Rejects a system message after the head. `status` 200: in a stream's first event, or as a body."""
    good = (stream if streamed else whole)("chat", REPLY)

    def play(request: Received) -> Script:
        roles = [message["role"] for message in request.json()["messages"]]
        if "system" not in roles[1:] and not always:
            return good(request) if callable(good) else good
        if status == 200 and streamed:
            return Script(CHAT, (b"data: " + REFUSAL + b"\n\n",), media_type="text/event-stream")
        return Script(CHAT, (REFUSAL,), status=status)

    return play


@json_or_stream
@pytest.mark.parametrize("status", [400, 500, 200])
async def test_it_is_asked_once_more(
    start: Start, upstream: ScriptedUpstream, status: int, streamed: bool
) -> None:
    upstream.play_for(CHAT, refusing(status, streamed=streamed))
    gateway = await start("chat", chat2response_upstream_profile="generic")

    answer = await gateway.post("/v1/responses", {**BODY, "stream": streamed})

    assert (answer.status_code, len(upstream.requests)) == (200, 2)
    assert b"Paris" in answer.content
    assert upstream.last.json()["messages"] == [
        {"role": "system", "content": "Help.\n\nBe brief."},
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "<system_message>\nOne word.\n</system_message>"},
        {"role": "user", "content": "Capital of France?"},
    ]
    assert answer.headers["x-chat2response-losses"] == "input[2]; sent as a marked user message"


@json_or_stream
async def test_a_second_refusal_is_the_clients(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play_for(CHAT, refusing(400, streamed=streamed, always=True))
    gateway = await start("chat", chat2response_upstream_profile="generic")
    answer = await gateway.post("/v1/responses", {**BODY, "stream": streamed})
    assert (answer.status_code, len(upstream.requests)) == (400, 2)
    assert TEXT in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("profile", "headers", "items"),
    [
        ("generic", {"x-chat2response-fidelity": "strict"}, ITEMS),  # nothing may be lost
        ("vllm", {}, ITEMS),  # it was asked so at once
        ("generic", {}, ITEMS[:2]),  # there is nothing to change
    ],
)
async def test_else_it_is_asked_once(
    start: Start, upstream: ScriptedUpstream, profile: str, headers: dict[str, str], items: list[Any]
) -> None:
    upstream.play_for(CHAT, refusing(400, streamed=False, always=True))
    gateway = await start("chat", chat2response_upstream_profile=profile)
    answer = await gateway.post("/v1/responses", {**BODY, "input": items}, headers=headers)
    assert (answer.status_code, len(upstream.requests)) == (400, 1)


async def test_a_limit_is_no_reason_to_ask_again(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, refusing(429, streamed=False, always=True))
    gateway = await start("chat", chat2response_upstream_profile="generic")
    answer = await gateway.post("/v1/responses", BODY)
    assert (answer.status_code, len(upstream.requests)) == (429, 1)


async def test_a_chat_clients_own_request_is_not_rewritten(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, refusing(400, streamed=False))
    gateway = await start("chat", chat2response_upstream_profile="generic")
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "One word."}]
    for path in ("/v1/chat/completions", "/proxy"):
        upstream.requests.clear()
        answer = await gateway.post(path, {"model": "m", "messages": messages})
        assert (answer.status_code, len(upstream.requests)) == (400, 1)
