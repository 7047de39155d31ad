"""A Responses request into the hub, and the body for a Responses upstream."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses.request.request import read_request, write_request
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy
from tests.support.convert.requests import (
    Json,
    assert_official_responses,
    chat_body,
    refused,
    resp_body,
    to_responses,
)


def test_the_body_is_kept_as_it_is():
    body = resp_body(input=[{"role": "user", "content": "hi"}], vendor={"a": 1}, temperature=None)
    hub = read_request(body)
    assert hub.body is body
    assert hub.dialect == "responses"
    assert hub.item_path(3) == "input[3]"
    assert hub.field("input") == "input"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 3}, "input"),
        ({"input": {}}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"model": 3}, "model"),
        ({"instructions": ["x"]}, "instructions"),
        ({"max_output_tokens": "5"}, "max_output_tokens"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"store": "no"}, "store"),
        ({"background": 1}, "background"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"previous_response_id": 3}, "previous_response_id"),
        ({"conversation": 3}, "conversation"),
        ({"conversation": {}}, "conversation.id"),
        ({"include": "x"}, "include"),
        ({"include": [3]}, "include[0]"),
        ({"metadata": []}, "metadata"),
        ({"reasoning": "high"}, "reasoning"),
        ({"text": "x"}, "text"),
        ({"tools": {}}, "tools"),
        ({"tools": [3]}, "tools[0]"),
        ({"tool_choice": 3}, "tool_choice"),
        ({"top_logprobs": "3"}, "top_logprobs"),
        ({"prompt_cache_options": 3}, "prompt_cache_options"),
    ],
)
def test_a_field_of_the_wrong_type_is_a_400_that_names_it(fields: Json, param: str):
    refused(read_request, resp_body(**fields), param)


@pytest.mark.parametrize("body", [None, [], "hi"])
def test_a_body_that_is_no_object_is_a_400(body: Any):
    refused(read_request, body, None)


def test_the_clients_own_request_leaves_as_it_came():
    request = resp_body(tools=[], max_output_tokens=1, n=3, stop="x", seed=1, input=[{"type": "mystery"}])
    losses = Losses()
    written: Any = write_request(read_request(request), losses)
    assert written == request
    assert written is not request
    assert not list(losses)


def test_what_the_gateway_adds_does_not_replace_the_clients_own():
    written: Any = write_request(HubRequest({"model": "m"}, "responses", {"model": "x", "more": 1}), Losses())
    assert written == {"model": "m", "more": 1}


# From Chat --------------------------------------------------------------------------------------------


def test_the_input_is_the_last_key_and_store_is_written():
    written, _ = to_responses(chat_body(top_k=3, temperature=1))
    assert list(written) == ["model", "temperature", "store", "top_k", "input"]
    assert written["store"] is False
    assert to_responses(chat_body(store=True))[0]["store"] is True


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_a_limit_below_the_least_is_raised_with_a_loss(name: str):
    written, losses = to_responses(chat_body(**{name: 15}))
    assert written["max_output_tokens"] == 16
    assert losses == [f"{name}; raised to 16"]
    written, losses = to_responses(chat_body(**{name: 16}))
    assert written["max_output_tokens"] == 16
    assert losses == []


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"seed": 3}, ["seed"]),
        ({"seed": 0}, ["seed"]),
        ({"frequency_penalty": 0.5}, ["frequency_penalty"]),
        ({"presence_penalty": -1}, ["presence_penalty"]),
        ({"frequency_penalty": 0, "presence_penalty": 0.0}, []),
        ({"prediction": {"type": "content", "content": "x"}}, ["prediction"]),
        ({"n": 1, "stop": [], "logit_bias": {}, "functions": [], "modalities": ["text"]}, []),
        ({"stream": True, "stream_options": {"include_usage": True}}, []),
        ({"stream": True, "stream_options": {"continuous": True}}, ["stream_options.continuous"]),
    ],
)
def test_losses_of_a_chat_request(fields: Json, lost: list[str]):
    written, losses = to_responses(chat_body(**fields))
    assert losses == [f"{name}; dropped" for name in lost]
    assert not written.keys() & (fields.keys() - {"stream"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": "x"}, "stop"),
        ({"stop": ["x"]}, "stop"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"n": "1"}, "n"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"audio": {"voice": "ash", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": "audio"}, "modalities"),
        ({"frequency_penalty": "much"}, "frequency_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ],
)
def test_what_must_not_be_dropped_is_a_400_that_names_it(fields: Json, param: str):
    refused(to_responses, chat_body(**fields), param)


def test_fields_that_neither_api_knows_pass():
    written, losses = to_responses(chat_body(top_k=40, provider={"order": ["a"]}))
    assert written["top_k"] == 40
    assert written["provider"] == {"order": ["a"]}
    assert losses == []


def test_a_full_request_is_official():
    written, losses = to_responses(
        chat_body(
            max_completion_tokens=100,
            reasoning_effort="low",
            verbosity="low",
            logprobs=True,
            top_logprobs=2,
            response_format={"type": "json_object"},
            tools=[{"type": "function", "function": {"name": "f"}}],
            tool_choice="auto",
            parallel_tool_calls=True,
            prompt_cache_key="k",
            metadata={"a": "b"},
            service_tier="flex",
            stream=True,
            stream_options={"include_usage": True, "include_obfuscation": False},
        )
    )
    assert_official_responses(written)
    assert losses == []
    assert written["stream_options"] == {"include_obfuscation": False}


def test_writing_leaves_the_hub_untouched():
    hub = chat.read_request(
        chat_body(max_tokens=3, messages=[{"role": "user", "content": "x", "name": "bob"}])
    )
    first = write_request(hub, Losses())
    assert hub.body["max_output_tokens"] == 3
    assert hub.body["input"][0]["name"] == "bob"  # type: ignore[index]
    assert write_request(hub, Losses()) == first


def test_row_34_a_chat_clients_long_ids_are_digested_for_call_and_output_alike():
    """Row 34: Responses allows 64 characters; ids that fit stay, byte by byte."""
    long = "call_" + "x" * 80
    calls = [
        {"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in ("a", long)
    ]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": long, "content": "2"},
    ]
    written: Any = write_request(chat.read_request({"model": "m", "messages": messages}), Losses())
    ids = [item["call_id"] for item in written["input"][1:]]
    assert ids[0] == ids[2] == "a"
    assert ids[1] == ids[3]
    assert len(ids[1]) <= 64


def _orphaned(**fields: Any) -> Any:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"id": "2", "type": "custom", "custom": {"name": "exec", "input": "x"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call, custom]},
        {"role": "tool", "tool_call_id": "2", "content": "ok"},
        {"role": "tool", "tool_call_id": "3", "content": "lost"},
    ]
    return chat.read_request({"model": "m", "messages": messages, **fields})


def test_row_9_a_chat_clients_orphans_are_the_upstreams_to_refuse_or_repaired():
    """Row 9: a call gets an output, an output without a call is dropped; both are losses."""
    losses = Losses()
    written: Any = write_request(_orphaned(), losses, policy=Policy(orphans="repair"))
    assert [(item["type"], item.get("call_id")) for item in written["input"]] == [
        ("message", None),
        ("function_call", "1"),
        ("function_call_output", "1"),
        ("custom_tool_call", "2"),
        ("custom_tool_call_output", "2"),
    ]
    assert [f"{loss.field}; {loss.effect}" for loss in losses] == [
        "messages[1]; answered here: it has no output",
        "messages[3]; dropped: it answers no call",
    ]
    untouched: Any = write_request(_orphaned(), Losses())
    assert len(untouched["input"]) == 5
    assert untouched["input"][-1]["call_id"] == "3"


@pytest.mark.parametrize("name", ["previous_response_id", "conversation"])
def test_row_9_an_output_may_answer_a_call_that_the_upstream_keeps(name: str):
    """Row 9: the upstream may have calls that are not in the request."""
    losses = Losses()
    written: Any = write_request(_orphaned(**{name: "x_1"}), losses, policy=Policy(orphans="repair"))
    assert len(written["input"]) == 5
    assert not losses
