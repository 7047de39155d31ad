"""The calls of the demo's models, whole and streamed: functions, custom tools, the deprecated form."""

import json
from typing import Any

import pytest

from tests.support.upstreams.demo_server import (
    CLOCK,
    WEATHER,
    body_of,
    calls_of,
    chunks_of,
    completion_of,
    message_of,
    text_of,
    words_of,
)

RUN = {"type": "custom", "custom": {"name": "run"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
ANSWERED: list[dict[str, Any]] = [
    {"role": "user", "content": "What does get_weather say?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
]
OLD_WEATHER = WEATHER["function"]


def names(body: dict[str, Any]) -> list[str]:
    return [name for name, _ in calls_of(body)]


# -- which -----------------------------------------------------------------------------------------------


def test_it_calls_the_function_that_the_user_names() -> None:
    body = body_of(user="Use get_weather now", tools=[CLOCK, WEATHER])
    assert calls_of(body) == [("get_weather", {"city": "demo"})]
    assert completion_of(body)["choices"][0]["finish_reason"] == "tool_calls"
    assert message_of(body)["content"] is None


def test_functions_that_nobody_names_are_left_alone() -> None:
    assert calls_of(body_of(user="Use get_weathers or my-get_weather", tools=[WEATHER])) == []


def test_several_named_functions_are_called_in_the_order_of_their_names() -> None:
    body = body_of(user="get_time, then get_weather", tools=[WEATHER, CLOCK])
    assert names(body) == ["get_time", "get_weather"]
    assert names({**body, "parallel_tool_calls": False}) == ["get_time"]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        (("required", ["get_time"]), ["get_time"]),
        (("auto", ["get_time"]), []),
        (("none", ["get_time"]), []),
        ("auto", []),
        ("none", []),
    ],
)
def test_the_choice_decides(choice: Any, called: list[str]) -> None:
    if type(choice) is tuple:
        mode, allowed = choice
        tools = [{"type": "function", "function": {"name": name}} for name in allowed]
        choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
    assert names(body_of(tools=[WEATHER, CLOCK], tool_choice=choice)) == called


def test_the_order_of_the_tools_counts_not_that_of_the_allowed_ones() -> None:
    allowed = [{"type": "function", "function": {"name": name}} for name in ("get_time", "get_weather")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": allowed}}
    assert names(body_of(tools=[WEATHER, CLOCK], tool_choice=choice)) == ["get_weather"]


def test_demo_tools_calls_the_first_function_unprompted() -> None:
    assert names(body_of("demo-tools", tools=[WEATHER, CLOCK])) == ["get_weather"]
    assert names(body_of("demo-tools", tools=[WEATHER], tool_choice="none")) == []


@pytest.mark.parametrize("tools", [[WEATHER, CLOCK], [WEATHER]])
def test_demo_tools_makes_two_calls_where_the_user_says_parallel(tools: list[Any]) -> None:
    body = body_of("demo-tools", "In parallel!", tools=tools)
    assert len(calls_of(body)) == 2
    assert len(calls_of({**body, "parallel_tool_calls": False})) == 1


def test_the_reasoner_thinks_before_it_calls() -> None:
    message = message_of(body_of("demo-reasoner", "get_time", tools=[CLOCK]))
    assert message["reasoning_content"] == "The user wrote 1 word, so it is time to call a function."
    assert len(message["tool_calls"]) == 1


# -- how -------------------------------------------------------------------------------------------------


def test_arguments_come_in_pieces() -> None:
    deltas = words_of(chunks_of(body_of(user="get_weather", tools=[WEATHER])))
    pieces = [delta["tool_calls"][0]["function"]["arguments"] for delta in deltas]
    assert pieces == ['{"city":', '"demo"}']


def test_a_limit_cuts_a_call_and_drops_the_ones_after_it() -> None:
    body = body_of(user="get_weather get_time", tools=[WEATHER, CLOCK], max_tokens=1)
    (choice,) = completion_of(body)["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (call["function"]["arguments"], choice["finish_reason"]) == ('{"city":', "length")


def test_the_calls_of_all_choices_have_their_own_ids() -> None:
    body = body_of("demo-tools", "parallel", tools=[WEATHER, RUN], n=3)
    whole = [
        call["id"] for choice in completion_of(body)["choices"] for call in choice["message"]["tool_calls"]
    ]
    streamed = [
        call["id"]
        for chunk in chunks_of(body)
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
        if "id" in call
    ]
    assert len(set(whole)) == len(whole) == len(set(streamed)) == len(streamed) == 6


# -- what the tools answered -----------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["demo", "demo-tools", "demo-reasoner"])
def test_an_output_is_repeated_and_nothing_called_again(model: str) -> None:
    assert '"12 degrees"' in text_of(body_of(model, messages=ANSWERED, tools=[WEATHER]))


def test_all_outputs_of_a_batch_are_repeated() -> None:
    user, assistant, output = ANSWERED
    calls = {**assistant, "tool_calls": [CALL, {**CALL, "id": "call_2"}]}
    second = {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]}
    assert '"12 degrees" and "noon"' in text_of(body_of(messages=[user, calls, output, second]))


def test_a_function_may_be_called_again_after_the_user_spoke_again() -> None:
    messages = [*ANSWERED, {"role": "user", "content": "get_weather"}]
    assert names(body_of(messages=messages, tools=[WEATHER])) == ["get_weather"]


# -- custom tools ----------------------------------------------------------------------------------------


def test_a_custom_tool_is_called_with_a_text() -> None:
    body = body_of(user="run and get_time", tools=[CLOCK, RUN])
    assert calls_of(body) == [("run", "demo"), ("get_time", {})]
    assert [call["type"] for call in message_of(body)["tool_calls"]] == ["custom", "function"]


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "custom", "custom": {"name": "run"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "run"}}]},
        },
    ],
)
def test_a_custom_tool_can_be_chosen(choice: Any) -> None:
    assert names(body_of(tools=[WEATHER, RUN], tool_choice=choice)) == ["run"]


def test_what_a_custom_tool_answered_is_repeated() -> None:
    call = {"id": "1", "type": "custom", "custom": {"name": "run", "input": "x"}}
    messages = [
        {"role": "user", "content": "run"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
    ]
    assert '"ok"' in text_of(body_of(messages=messages, tools=[RUN]))


# -- the deprecated form ---------------------------------------------------------------------------------


def test_a_deprecated_function_is_called_in_its_own_form() -> None:
    body = body_of(user="get_weather", functions=[OLD_WEATHER])
    (choice,) = completion_of(body)["choices"]
    assert choice["message"]["function_call"] == {"name": "get_weather", "arguments": '{"city":"demo"}'}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"
    assert json.dumps(chunks_of(body)).count('"name"') == 1


def test_a_deprecated_function_can_be_chosen_and_only_one_is_called() -> None:
    functions = [OLD_WEATHER, CLOCK["function"]]
    chosen = message_of(body_of(functions=functions, function_call={"name": "get_time"}))
    assert chosen["function_call"]["name"] == "get_time"
    both = body_of(user="get_time get_weather", functions=functions, parallel_tool_calls=True)
    assert message_of(both)["function_call"]["name"] == "get_time"
    assert "function_call" not in message_of(body_of(functions=functions, function_call="none"))


def test_the_output_of_a_deprecated_function_is_repeated() -> None:
    messages = [
        {"role": "user", "content": "get_weather"},
        {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": "{}"}},
        {"role": "function", "name": "get_weather", "content": "mild"},
    ]
    assert '"mild"' in text_of(body_of(messages=messages, functions=[OLD_WEATHER]))
