"""Sealed reasoning that a Responses upstream cannot open is left out, and the call is sent once more."""

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.test_sealing import SHARED, USER, replayed_items, thinking, turn
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.dialect_pairs import json_or_stream
from tests.support.e2e.scripted_model import RESPONSES, ModelReply, stream, whole
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

LOSSES = "x-chat2response-losses"
REPLY = ModelReply(text=("Hi",))
FOREIGN = "gAAAAABsealed-by-another-account=="
ANSWER = {"type": "message", "id": "msg_1", "role": "assistant", "content": [], "status": "completed"}
HISTORY = [
    USER,
    {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": FOREIGN},
    ANSWER,
    USER,
]
WHY = "dropped: the upstream cannot open its encrypted_content"
ERROR = {
    "message": "The encrypted content gAAA...nt== could not be verified.",
    "type": "invalid_request_error",
    "param": None,
    "code": "invalid_encrypted_content",
}
REFUSAL = Script(RESPONSES, (json.dumps({"error": ERROR}, indent=1).encode(),), status=400)


def body_of(items: list[Any], *, streamed: bool) -> dict[str, Any]:
    include = ["reasoning.encrypted_content"]
    return {"model": CLIENT_MODEL, "input": items, "stream": streamed, "store": False, "include": include}


def judging(streamed: bool) -> Any:
    """An upstream that opens no seal."""

    def answer(request: Received) -> Script:
        sealed = [item for item in request.json()["input"] if item.get("encrypted_content")]
        return REFUSAL if sealed else (stream if streamed else whole)("responses", REPLY)

    return answer


@json_or_stream
@pytest.mark.parametrize("mode", ["managed", "open", "passthrough"])
async def test_row_29_what_the_upstream_cannot_open_is_left_out_once(
    start: Start, upstream: ScriptedUpstream, mode: str, streamed: bool
) -> None:
    """The session continues; the client and the operator learn what was lost."""
    upstream.play_for(RESPONSES, judging(streamed))
    gateway = await start("responses", chat2response_auth_mode=mode)

    answer = await gateway.post(RESPONSES, body_of(HISTORY, streamed=streamed))

    assert (answer.status_code, answer.headers[LOSSES]) == (200, f"input[1]; {WHY}")
    script = (stream if streamed else whole)("responses", REPLY)
    assert answer.content == b"".join(step for step in script.steps if isinstance(step, bytes))
    first, second = (request.json() for request in upstream.requests)
    assert first["input"] == HISTORY
    assert second == {**first, "input": [USER, ANSWER, USER]}
    metrics = (await gateway.http.get("/metrics")).text
    assert 'chat2response_losses_total{field="input[]"} 1' in metrics


async def test_nothing_else_in_the_body_changes(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, judging(False))
    gateway = await start("responses", chat2response_upstream_model="theirs")
    sealed = b'{"type":"reasoning","summary":[],"encrypted_content":"x"}'
    body = b'{"x-new": 1.50,  "input" : [{ "role":"user", "content": "\\u00fc" }%b],\n"model":"%b","x-new":2}'

    answer = await gateway.post(RESPONSES, body % (b", " + sealed, b"mine"))

    assert answer.status_code == 200
    assert upstream.last.body == body % (b"", b"theirs")


@json_or_stream
async def test_a_second_refusal_passes(start: Start, upstream: ScriptedUpstream, streamed: bool) -> None:
    upstream.play(REFUSAL)
    gateway = await start("responses")
    answer = await gateway.post(RESPONSES, body_of(HISTORY, streamed=streamed))
    assert (answer.status_code, answer.content) == (400, REFUSAL.steps[0])
    assert len(upstream.requests) == 2


@json_or_stream
@pytest.mark.parametrize("by", ["header", "setting"])
async def test_strict_hears_the_refusal(
    start: Start, upstream: ScriptedUpstream, streamed: bool, by: str
) -> None:
    upstream.play(REFUSAL)
    gateway = await start("responses", chat2response_fidelity="strict" if by == "setting" else "warn")
    headers = {"x-chat2response-fidelity": "strict"} if by == "header" else {}
    answer = await gateway.post(RESPONSES, body_of(HISTORY, streamed=streamed), headers=headers)
    assert (answer.status_code, answer.content) == (400, REFUSAL.steps[0])
    assert (len(upstream.requests), LOSSES in answer.headers) == (1, False)


async def test_any_other_refusal_passes_at_once(start: Start, upstream: ScriptedUpstream) -> None:
    other = {"error": {**ERROR, "message": "No.", "code": "invalid_value"}}
    upstream.play(Script(RESPONSES, (json.dumps(other).encode(),), status=400))
    gateway = await start("responses")
    answer = await gateway.post(RESPONSES, body_of(HISTORY, streamed=False))
    assert (answer.json(), len(upstream.requests)) == (other, 1)


async def test_a_session_moves_from_a_chat_upstream_to_a_responses_one(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """The second upstream never gets the seals of the first; its own seals stay."""
    upstream.play_for("/v1/chat/completions", thinking)
    before = await start("chat", **SHARED)
    items = replayed_items(await turn(before, [USER]))
    assert items[0]["type"] == "reasoning"

    def answer(request: Received) -> Script:
        sealed = [item.get("encrypted_content") or "" for item in request.json()["input"]]
        refused = any(blob.startswith("c2r1.") for blob in sealed)
        return REFUSAL if refused else whole("responses", REPLY)

    upstream.play_for(RESPONSES, answer)
    after = await start("responses", **SHARED)
    history = [USER, *items, *HISTORY[1:]]
    answered = await after.post(RESPONSES, body_of(history, streamed=False))
    assert (answered.status_code, answered.headers[LOSSES]) == (200, f"input[1]; {WHY}")
    assert upstream.last.json()["input"] == [USER, *items[1:], *HISTORY[1:]]


@json_or_stream
async def test_it_is_one_call_of_its_key(start: Start, upstream: ScriptedUpstream, streamed: bool) -> None:
    """It counts as one request, with the tokens of the final response."""
    upstream.play_for(RESPONSES, judging(streamed))
    gateway = await start("responses")
    token = await gateway.issue(limits={"requests_per_minute": 2, "tokens_per_day": 100_000})
    who = {"authorization": f"Bearer {token}"}
    for left in ("1", "0"):
        answer = await gateway.post(RESPONSES, body_of(HISTORY, streamed=streamed), headers=who)
        assert (answer.status_code, answer.headers["x-ratelimit-remaining-requests"]) == (200, left)
    refused = await gateway.post(RESPONSES, body_of(HISTORY, streamed=streamed), headers=who)
    assert (refused.status_code, len(upstream.requests)) == (429, 4)
    used = await gateway.services.usage.for_all(
        gateway.services.usage.today(), gateway.services.usage.today()
    )
    assert [(row.usage.requests, row.usage.input_tokens, row.usage.output_tokens) for row in used] == [
        (2, 22, 14)
    ]


async def test_who_hangs_up_leaves_nothing(start: Start, upstream: ScriptedUpstream) -> None:
    """Also during the second upstream request."""
    never = asyncio.Event()
    upstream.play(REFUSAL, whole("responses", REPLY).but(before=never))
    gateway = await start("responses")
    call = asyncio.create_task(gateway.post(RESPONSES, body_of(HISTORY, streamed=True)))
    second = await upstream.wait_for_request(2)
    call.cancel()
    await asyncio.wait([call])
    await second.gone.wait()
    await gateway.idle()
    assert len(gateway.runs) == 0
