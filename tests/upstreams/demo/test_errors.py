"""What the demo's server rejects, and the models that fail on purpose."""

import json
from typing import Any

import pytest

from chat2response.upstreams.demo.script import MODELS
from chat2response.upstreams.demo.server import respond
from chat2response.wire.json import MAX_DEPTH
from tests.support.clock_and_ids import Clock, Ids
from tests.support.stream_grammar import validate_chunk
from tests.support.upstreams.demo_server import (
    URL,
    WEATHER,
    body_of,
    chunks_of,
    refusal_of,
    words_of,
)

NO_INSTANCE = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#/none"}}}
ENDLESS = {"name": "f", "parameters": {"$ref": "#"}}


def answer_of(method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    answer = respond(method, f"http://demo.invalid{path}", body, Clock(), Ids())
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(b"".join(answer.pieces))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (body_of(previous_response_id="resp_1"), "previous_response_id"),
        (body_of(conversation="conv_1"), "conversation"),
        (body_of(background=True), "background"),
        (body_of(prompt={"id": "p"}), "prompt"),
        (body_of(messages=[]), "messages"),
        (body_of(tool_choice="maybe", tools=[WEATHER]), "tool_choice"),
        (body_of(tool_choice={"type": "function", "function": {"name": "x"}}), "tool_choice"),
        (
            body_of(tool_choice={"type": "function", "function": {"name": "x"}}, tools=[WEATHER]),
            "tool_choice",
        ),
        (body_of(tools=[{"type": "web_search"}]), "tools[0].type"),
        (body_of(tools=[WEATHER], functions=[WEATHER["function"]]), "functions"),
        (body_of(response_format={"type": "xml"}), "response_format.type"),
        (body_of(response_format=NO_INSTANCE), "response_format.json_schema.schema"),
        (
            body_of("demo-tools", tools=[{"type": "function", "function": ENDLESS}]),
            "tools[0].function.parameters",
        ),
        (body_of("demo-tools", functions=[ENDLESS]), "functions[0].parameters"),
        (body_of(n=0), "n"),
        (body_of(n=129), "n"),
        (body_of(n="2"), "n"),
        (body_of(logit_bias={"1": 1}), "logit_bias"),
        (body_of(audio={"voice": "x"}), "audio"),
        (body_of(modalities=["text", "audio"]), "modalities"),
        (body_of(max_tokens=0), "max_tokens"),
        (body_of(max_completion_tokens=0), "max_completion_tokens"),
        (body_of(top_logprobs=1), "top_logprobs"),
        (body_of(stop=[1]), "stop[0]"),
        (body_of(stream_options={"include_usage": 1}), "stream_options.include_usage"),
        ({"messages": [{"role": "user", "content": "x"}]}, "model"),
        ({"model": "demo"}, "messages"),
    ],
)
def test_what_it_cannot_do_is_rejected_by_name(body: dict[str, Any], param: str) -> None:
    status, error, _ = refusal_of(body)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


def test_the_texts_of_rejections() -> None:
    texts = [
        refusal_of(body)[1]["message"] for body in (body_of(audio={"voice": "x"}), body_of(max_tokens=0))
    ]
    assert texts == [
        "The demo upstream does not support 'audio'.",
        "Invalid 'max_tokens': expected a value >= 1, but got 0.",
    ]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b'{"model":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}"]
)
def test_a_body_that_is_no_request_is_rejected(data: bytes) -> None:
    status, body = answer_of("POST", "/v1/chat/completions", data)
    validate_chunk(body)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


def test_an_unknown_model_is_named_beside_those_there_are() -> None:
    status, error, _ = refusal_of(body_of("gpt-9"))
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert all(model in error["message"] for model in (*MODELS, "gpt-9"))


def test_demo_error_rejects_every_request() -> None:
    status, error, headers = refusal_of(body_of("demo-error"))
    assert (status, error["type"], error["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert headers["retry-after"] == "1"


@pytest.mark.parametrize("choices", [1, 2])
def test_demo_broken_fails_after_some_words(choices: int) -> None:
    *chunks, last = chunks_of(body_of("demo-broken", n=choices, stream_options={"include_usage": True}))
    for index in range(choices):
        text = "".join(delta["content"] for delta in words_of(chunks, index))
        assert text == 'You said: "Say hello." '
    error = {
        "message": "The demo-broken model always fails.",
        "type": "server_error",
        "param": None,
        "code": "server_error",
    }
    assert last == {"error": error}
    status, body = answer_of(
        "POST", "/v1/chat/completions", json.dumps(body_of("demo-broken", n=choices)).encode()
    )
    assert (status, body) == (500, {"error": error})


def test_a_limit_ends_demo_broken_before_it_fails() -> None:
    chunks = chunks_of(body_of("demo-broken", max_tokens=2))
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


# -- other endpoints -------------------------------------------------------------------------------------


def test_models_are_listed_as_openai_lists_them() -> None:
    status, models = answer_of("GET", "/v1/models")
    assert (status, models["object"]) == (200, "list")
    assert [model["id"] for model in models["data"]] == list(MODELS)
    assert all(model.keys() == {"id", "object", "created", "owned_by"} for model in models["data"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/responses"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/"),
    ],
)
def test_another_endpoint_does_not_exist(method: str, path: str) -> None:
    status, body = answer_of(method, path, b"{}")
    validate_chunk(body)
    assert status == 404
    assert body["error"]["message"] == f"Invalid URL ({method} {path})"


def test_a_query_is_not_part_of_the_path() -> None:
    data = json.dumps(body_of()).encode()
    assert respond("POST", f"{URL}?api-version=1", data, Clock(), Ids()).status == 200
