"""Law 4, nothing is dropped in silence: a lost field is in the header, or rejected by name."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import error_of, json_or_stream, post
from tests.support.e2e.scripted_model import CHAT, PATHS, ModelReply, frames, speaking, sse
from tests.support.scripted_upstream import Script, ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
LOSSES = "x-chat2response-losses"


def _losses(answer: Any) -> dict[str, str]:
    pairs = (entry.partition("; ") for entry in answer.headers[LOSSES].split(", "))
    return {name: effect for name, _, effect in pairs}


@json_or_stream
@pytest.mark.parametrize("surface", ["chat", "proxy"])
async def test_losses_toward_responses(
    start: Start, upstream: ScriptedUpstream, surface: Any, streamed: bool
) -> None:
    upstream.play_for(PATHS["responses"], speaking("responses", REPLY))
    gateway = await start("responses")

    answer = await post(
        gateway,
        surface,
        streamed=streamed,
        messages=[{"role": "user", "content": "Hi", "name": "ann"}],
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        max_tokens=5,
    )

    assert answer.status_code == 200
    assert _losses(answer) == {
        "seed": "dropped",
        "presence_penalty": "dropped",
        "frequency_penalty": "dropped",
        "messages[0].name": "dropped",
        "max_tokens": "raised to 16",
    }
    sent = upstream.last.json()
    assert sent["max_output_tokens"] == 16
    assert {"seed", "presence_penalty", "frequency_penalty", "max_tokens"}.isdisjoint(sent)
    assert all(name.isdigit() is False for name in gateway.services.metrics.losses)
    assert gateway.services.metrics.losses["seed"] == 1


@json_or_stream
async def test_no_loss_no_header(start: Start, upstream: ScriptedUpstream, streamed: bool) -> None:
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
        gateway = await start(dialect)
        for surface in ("chat", "responses", "proxy"):
            answer = await post(gateway, surface, streamed=streamed, max_output_tokens=None, seed=None)
            assert answer.status_code == 200 and LOSSES not in answer.headers


async def test_a_relay_loses_nothing(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(PATHS["chat"], speaking("chat", REPLY))
    gateway = await start("chat")

    for surface in ("chat", "proxy"):
        answer = await post(gateway, surface, seed=1, stop=["x"], logit_bias={"1": 1})
        assert answer.status_code == 200 and LOSSES not in answer.headers
        assert upstream.last.json()["stop"] == ["x"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 9}, "n"),
    ({"logit_bias": {"1": 1}}, "logit_bias"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
]


@json_or_stream
@pytest.mark.parametrize("surface", ["chat", "proxy"])
@pytest.mark.parametrize(("fields", "param"), REFUSED, ids=[param for _, param in REFUSED])
async def test_what_must_not_be_lost_is_refused_by_name(
    start: Start,
    upstream: ScriptedUpstream,
    surface: Any,
    fields: dict[str, Any],
    param: str,
    streamed: bool,
) -> None:
    gateway = await start("responses")

    answer = await post(gateway, surface, streamed=streamed, **fields)

    assert answer.status_code == 400
    assert error_of(answer)["param"] == param
    assert upstream.requests == []


@pytest.mark.parametrize(
    "fields",
    [{"stop": []}, {"stop": None}, {"n": 1}, {"logit_bias": {}}, {"modalities": ["text"]}, {"functions": []}],
    ids=str,
)
async def test_what_says_nothing_is_not_refused(
    start: Start, upstream: ScriptedUpstream, fields: dict[str, Any]
) -> None:
    upstream.play_for(PATHS["responses"], speaking("responses", REPLY))
    gateway = await start("responses")
    assert (await post(gateway, "chat", **fields)).status_code == 200
    assert set(fields).isdisjoint(upstream.last.json())


UNKNOWN = {"type": "hologram", "hologram": {"data": "x"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}


@pytest.mark.parametrize(
    ("surface", "dialect", "part", "param"),
    [
        ("chat", "responses", UNKNOWN, "messages[0].content[1]"),
        ("proxy", "responses", UNKNOWN, "messages[0].content[1]"),
        ("chat", "responses", AUDIO, "messages[0].content[1]"),
        ("responses", "chat", UNKNOWN, "input[0].content[1]"),
    ],
)
async def test_a_part_that_cannot_be_said_is_refused_by_its_place(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str, part: dict[str, Any], param: str
) -> None:
    gateway = await start(dialect)
    text = {"type": "input_text" if surface == "responses" else "text", "text": "See"}
    field = "input" if surface == "responses" else "messages"
    turn: dict[str, Any] = {field: [{"role": "user", "content": [text, part]}]}

    answer = await post(gateway, surface, **turn)

    assert answer.status_code == 400
    error = error_of(answer)["param"]
    assert error is not None and error.startswith(param)
    assert upstream.requests == []


async def test_n_is_one_where_the_answer_is_a_response(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("chat")
    answer = await post(gateway, "proxy", n=2)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "n")
    assert upstream.requests == []


async def test_losses_of_the_answer_are_said_in_the_stream(start: Start, upstream: ScriptedUpstream) -> None:
    """Losses of the response: in streams, a comment before the end."""
    odd: Any = {**ModelReply(text=("Hi",)).completion()}
    odd["choices"][0]["message"]["annotations"] = [{"type": "file_citation", "file_citation": {}}]
    chunks = list(ModelReply(text=("Hi",)).chunks())
    chunks[1]["choices"][0]["delta"]["annotations"] = odd["choices"][0]["message"]["annotations"]
    gateway = await start("chat")
    upstream.play(Script(CHAT, (json.dumps(odd).encode(),)))
    whole = await post(gateway, "responses")
    upstream.play(frames("chat", *sse(*chunks)))
    streamed = await post(gateway, "responses", streamed=True)

    assert whole.headers[LOSSES] == "message.annotations; dropped"
    comment = f"\n\n: {LOSSES}: message.annotations; dropped\n\nevent: response.completed\n"
    assert comment.encode() in streamed.content


@pytest.mark.parametrize(
    ("surface", "dialect"),
    [("chat", "responses"), ("responses", "chat"), ("proxy", "chat"), ("proxy", "responses")],
)
async def test_a_missing_model_is_named(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    answer = await post(gateway, surface, model=None)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "model")
    assert upstream.requests == []


async def test_what_chat_cannot_say_of_an_answer_is_said(start: Start, upstream: ScriptedUpstream) -> None:
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    part = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    reply = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = {"id": "resp_1", "object": "response", "status": "completed", "output": [search, reply]}
    completed = json.dumps({"type": "response.completed", "sequence_number": 0, "response": response})
    upstream.play(
        Script(PATHS["responses"], (json.dumps(response).encode(),)),
        Script(PATHS["responses"], (f"data: {completed}\n\n".encode(),), media_type="text/event-stream"),
    )
    gateway = await start("responses")

    whole = await post(gateway, "chat", streamed=False)
    streamed = await post(gateway, "chat", streamed=True)

    assert whole.headers[LOSSES] == "output[web_search_call]; dropped"
    assert whole.json()["choices"][0]["message"]["content"] == "Hi"
    assert f"\n\n: {LOSSES}: output[web_search_call]; dropped\n\ndata: " in streamed.text
