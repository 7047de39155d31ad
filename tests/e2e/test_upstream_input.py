"""Responses upstreams that accept `input` only as text: by a setting, or learned from an error."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL, QUESTION, Surface, ask, expected
from tests.support.e2e.dialect_pairs import PATH, error_of, json_or_stream, post
from tests.support.e2e.scripted_model import RESPONSES, ModelReply, stream, whole
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
TURNS = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "Two?"},
]
TRANSCRIPT = "User: One?\n\nAssistant: One.\n\nUser: Two?"
LOSSES = "x-chat2response-losses"
from_chat = pytest.mark.parametrize("surface", ["chat", "proxy"])


def refusal(message: str, status: int = 400, **more: Any) -> Script:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Script(RESPONSES, (json.dumps({"error": error}).encode(),), status=status)


REFUSAL = refusal("Invalid type for 'input': expected a string, but got an array instead.")
VALIDATOR = Script(
    RESPONSES,
    (b'{"detail": [{"type": "string_type", "loc": ["body", "input"], "msg": "Input should be a string"}]}',),
    status=422,
)
MISSING = Script(RESPONSES, (b'{"detail": "Field required: input"}',), status=400)


@json_or_stream
@from_chat
async def test_where_it_is_set_one_user_text_goes_as_it_is(
    start: Start, upstream: ScriptedUpstream, surface: Surface, streamed: bool
) -> None:
    upstream.play((stream if streamed else whole)("responses", REPLY))
    gateway = await start("responses", chat2response_upstream_input=True)

    answer = await post(gateway, surface, streamed=streamed)

    assert answer.status_code == 200
    assert upstream.last.json()["input"] == QUESTION
    assert LOSSES not in answer.headers


@json_or_stream
@from_chat
async def test_and_more_goes_as_a_transcript_which_is_said(
    start: Start, upstream: ScriptedUpstream, surface: Surface, streamed: bool
) -> None:
    upstream.play((stream if streamed else whole)("responses", REPLY))
    gateway = await start("responses", chat2response_upstream_input=True)

    answer = await post(gateway, surface, streamed=streamed, messages=TURNS)

    assert answer.status_code == 200
    assert upstream.last.json()["input"] == TRANSCRIPT
    assert answer.headers[LOSSES] == "messages; sent as a transcript"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_responses_clients_body_changes_in_that_one_place(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play((stream if streamed else whole)("responses", REPLY))
    gateway = await start("responses", chat2response_upstream_input=True)
    flag = b"true" if streamed else b"false"
    body = b' {"model":"m",  "input" : %b, "store":false, "x-new": 1.50, "stream":' + flag + b"}"

    answer = await gateway.post(RESPONSES, body.replace(b"%b", json.dumps(TURNS).encode()))
    assert answer.status_code == 200
    assert upstream.last.body == body.replace(b"%b", json.dumps(TRANSCRIPT).encode())
    assert answer.headers[LOSSES] == "input; sent as a transcript"

    await gateway.post(RESPONSES, body.replace(b"%b", b'"as it is"'))
    assert upstream.last.body == body.replace(b"%b", b'"as it is"')


async def test_what_no_text_can_say_is_400(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("responses", chat2response_upstream_input=True)
    image = [{"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}]
    answer = await post(gateway, "chat", messages=[{"role": "user", "content": image}])
    assert (answer.status_code, error_of(answer)["param"]) == (400, "messages")
    unknown = [{"type": "compaction", "encrypted_content": "x"}]
    answer = await gateway.post(RESPONSES, {"model": "m", "input": unknown, "store": False})
    assert (answer.status_code, error_of(answer)["param"]) == (400, "input")
    assert upstream.requests == []


@pytest.mark.parametrize("refused", [REFUSAL, VALIDATOR, MISSING], ids=["error", "validator", "missing"])
@json_or_stream
@from_chat
async def test_an_upstream_that_wants_a_text_is_asked_once_more(
    start: Start, upstream: ScriptedUpstream, surface: Surface, streamed: bool, refused: Script
) -> None:
    upstream.play(refused, (stream if streamed else whole)("responses", REPLY))
    gateway = await start("responses")

    answer = await post(gateway, surface, streamed=streamed, messages=TURNS, temperature=0.5)

    assert answer.status_code == 200
    assert "sent as a transcript" in answer.headers[LOSSES]
    first, second = (request.json() for request in upstream.requests)
    assert len(first["input"]) == len(TURNS)
    assert second == {**first, "input": TRANSCRIPT}
    assert len(gateway.runs) == 0


@json_or_stream
@from_chat
async def test_the_client_hears_the_same_answer(
    start: Start, upstream: ScriptedUpstream, surface: Surface, streamed: bool
) -> None:
    upstream.play(REFUSAL, (stream if streamed else whole)("responses", REPLY))
    gateway = await start("responses")
    assert await ask(gateway, surface, streamed=streamed) == expected(REPLY, relayed=surface == "proxy")
    assert upstream.last.json()["input"] == QUESTION


@json_or_stream
@from_chat
async def test_it_is_asked_no_third_time(
    start: Start, upstream: ScriptedUpstream, surface: Surface, streamed: bool
) -> None:
    upstream.play(REFUSAL, refusal("'input' is too long.", code="too_long"))
    gateway = await start("responses")
    answer = await post(gateway, surface, streamed=streamed, messages=TURNS)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "too_long")
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    "other",
    [
        refusal("No tool output found for function call c1.", param="input"),
        refusal("Your input exceeds the context window of this model.", param="input"),
        refusal("'input' is wrong", status=404),
        refusal("'input' is wrong", status=500),
        refusal("Unsupported parameter: 'seed'."),
    ],
)
@from_chat
async def test_other_refusals_are_the_clients(
    start: Start, upstream: ScriptedUpstream, surface: Surface, other: Script
) -> None:
    upstream.play(other)
    gateway = await start("responses")
    answer = await post(gateway, surface, messages=TURNS)
    assert answer.status_code == other.status
    assert len(upstream.requests) == 1


@from_chat
async def test_what_no_text_can_say_is_not_asked_again(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    upstream.play(REFUSAL)
    gateway = await start("responses")
    image = [{"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}]
    answer = await post(gateway, surface, messages=[{"role": "user", "content": image}])
    assert (answer.status_code, len(upstream.requests)) == (400, 1)
    assert "'input'" in error_of(answer)["message"]


async def test_a_responses_client_hears_its_upstreams_own_refusal(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(REFUSAL)
    gateway = await start("responses")
    answer = await gateway.post(PATH["responses"], {"model": CLIENT_MODEL, "input": TURNS, "store": False})
    assert (answer.status_code, len(upstream.requests)) == (400, 1)
    assert answer.content == REFUSAL.steps[0]
