"""Tool definitions, tool choice and response format, in both directions."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import read_request
from chat2response.convert.quirks.quirks import Quirks
from tests.support.convert.requests import (
    Json,
    assert_official_chat,
    assert_official_responses,
    chat_body,
    refused,
    resp_body,
    to_chat,
    to_responses,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
NO_PARAMETERS = {"type": "object", "properties": {}}


def nested(name: str = "f", **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, **more}}


def flat(name: str = "f", **more: Any) -> Json:
    return {"type": "function", "name": name, **more}


def official_responses(**fields: Any) -> tuple[Json, list[str]]:
    body, losses = to_responses(chat_body(**fields))
    assert_official_responses(body)
    return body, losses


def official_chat(**fields: Any) -> tuple[Json, list[str]]:
    body, losses = to_chat(resp_body(**fields))
    assert_official_chat(body)
    return body, losses


# Chat to Responses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (nested(), flat(parameters=NO_PARAMETERS, strict=False)),
        (
            nested(description="d", parameters=SCHEMA, strict=True),
            flat(description="d", parameters=SCHEMA, strict=True),
        ),
        (
            nested(description=None, parameters=None, strict=None),
            flat(parameters=NO_PARAMETERS, strict=False),
        ),
        (nested(strict=False, parameters={}), flat(parameters=NO_PARAMETERS, strict=False)),
    ],
)
def test_a_function_is_flat_with_its_strictness_written(tool: Json, expected: Json):
    body, _ = official_responses(tools=[tool])
    assert body["tools"] == [expected]


def test_the_order_of_tools_and_of_their_keys_stays():
    body = read_request(chat_body(tools=[nested(name, description="d") for name in "cab"])).body
    assert [tool["name"] for tool in body["tools"]] == ["c", "a", "b"]
    assert list(body["tools"][0]) == ["type", "name", "description", "parameters", "strict"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        (nested(), flat()),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [nested()]}},
            {"type": "allowed_tools", "mode": "required", "tools": [flat()]},
        ),
    ],
)
def test_every_form_of_choice_to_responses(choice: Any, expected: Any):
    body, losses = official_responses(tools=[nested()], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == expected
    assert body["parallel_tool_calls"] is False
    assert losses == []


@pytest.mark.parametrize("tools", [[], None])
@pytest.mark.parametrize(("choice", "losses"), [("auto", []), ("none", []), ("required", ["tool_choice"])])
def test_without_tools_nothing_of_them_is_sent(tools: Any, choice: str, losses: list[str]):
    for convert, body in ((to_responses, chat_body), (to_chat, resp_body)):
        expected, lost = convert(body(tools=tools, tool_choice=choice, parallel_tool_calls=True))
        assert not expected.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
        assert lost == [f"{loss}; dropped" for loss in losses]


def test_a_named_choice_without_tools_is_a_400():
    refused(to_responses, chat_body(tool_choice=nested()), "tool_choice")
    refused(to_chat, resp_body(tools=[], tool_choice=flat()), "tool_choice")


def test_web_search_options_become_the_last_tool():
    place = {"city": "Bern", "country": "CH"}
    options = {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": place}}
    for fields in ({"web_search_options": options, "tools": [nested()]}, {"tools": [nested()]}):
        body, _ = official_responses(**{**fields, "web_search_options": options})
        assert body["tools"][0]["name"] == "f"
        assert body["tools"][1] == {
            "type": "web_search",
            "search_context_size": "low",
            "user_location": {"type": "approximate", "city": "Bern", "country": "CH"},
        }


def test_empty_web_search_options_are_a_tool():
    body, _ = official_responses(web_search_options={}, tool_choice="auto")
    assert body["tools"] == [{"type": "web_search"}]
    assert body["tool_choice"] == "auto"


@pytest.mark.parametrize(
    ("tool", "loss"),
    [
        ({**nested(), "cache_control": {"type": "ephemeral"}}, "tools[0].cache_control"),
        (nested(vendor=1), "tools[0].function.vendor"),
    ],
)
def test_a_tools_key_without_a_place_is_a_loss(tool: Json, loss: str):
    _, losses = official_responses(tools=[tool])
    assert losses == [f"{loss}; dropped"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [nested(), {}]}, "tools[1].type"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "f", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format.grammar",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [nested(None)]}, "tools[0].function.name"),  # type: ignore[arg-type]
        ({"tool_choice": 3}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.custom"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "odd"}]}}},
            "tool_choice.allowed_tools.tools[0].type",
        ),
        ({"web_search_options": True}, "web_search_options"),
        ({"web_search_options": {"user_location": {}}}, "web_search_options.user_location.approximate"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
    ],
)
def test_a_wrong_tool_field_from_chat_is_a_400_that_names_it(fields: Json, param: str):
    refused(to_responses, chat_body(**fields), param)


# Responses to Chat ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (flat(parameters=None, strict=None, description=None), nested(parameters=NO_PARAMETERS)),
        (flat(), nested(parameters=NO_PARAMETERS)),
        (flat(parameters=SCHEMA, strict=True), nested(parameters=SCHEMA, strict=True)),
        (flat(parameters=SCHEMA, strict=False), nested(parameters=SCHEMA, strict=False)),
        (
            flat(parameters=SCHEMA, defer_loading=True, allowed_callers=["direct"], output_schema={}),
            nested(parameters=SCHEMA),
        ),
    ],
)
def test_a_function_is_nested(tool: Json, expected: Json):
    body, losses = official_chat(tools=[tool])
    assert body["tools"] == [expected]
    assert losses == []


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        (flat(), nested()),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [flat()]},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [nested()]}},
        ),
        (
            {"type": "allowed_tools", "tools": [flat()]},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [nested()]}},
        ),
        ({"type": "allowed_tools", "mode": "none", "tools": [flat()]}, "none"),
    ],
)
def test_every_form_of_choice_to_chat(choice: Any, expected: Any):
    body, losses = official_chat(tools=[flat()], tool_choice=choice, parallel_tool_calls=True)
    assert body["tool_choice"] == expected
    assert body["parallel_tool_calls"] is True
    assert losses == []


HOSTED = {"type": "web_search"}


@pytest.mark.parametrize(
    ("tools", "choice", "expected", "lost"),
    [
        ([flat(), HOSTED], "required", "required", []),
        ([flat(), HOSTED], HOSTED, None, ["tool_choice"]),
        (
            [flat(), HOSTED],
            {"type": "allowed_tools", "mode": "auto", "tools": [HOSTED, flat()]},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [nested()]}},
            ["tool_choice.tools[0]"],
        ),
        (
            [flat(), HOSTED],
            {"type": "allowed_tools", "mode": "required", "tools": [HOSTED]},
            "none",
            ["tool_choice.tools[0]", "tool_choice.mode"],
        ),
    ],
)
def test_a_tool_that_chat_cannot_say_is_dropped_with_the_choice_of_it(
    tools: list[Json], choice: Any, expected: Any, lost: list[str]
):
    body, losses = official_chat(tools=tools, tool_choice=choice)
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert body.get("tool_choice") == expected
    assert losses == ["tools[1]; dropped: web_search", *(f"{loss}; dropped" for loss in lost)]


def test_a_tool_that_is_dropped_is_called_what_the_client_calls_it():
    """The loss has the server's label, for there may be several; it is short and valid in a header."""
    tools: list[Json] = [
        {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example"},
        {"type": "mcp", "server_label": "\u00e9" * 99},
        {"type": "x" * 99, "server_label": 7},
    ]
    assert to_chat(resp_body(tools=tools))[1] == [
        "tools[0]; dropped: mcp (docs)",
        f"tools[1]; dropped: mcp ({'?' * 64})",
        f"tools[2]; dropped: {'x' * 64}",
    ]


@pytest.mark.parametrize(
    ("choice", "lost"),
    [("auto", []), ("required", ["tool_choice"]), (HOSTED, ["tool_choice"])],
)
def test_when_no_tool_is_left_nothing_of_them_is_sent(choice: Any, lost: list[str]):
    body, losses = official_chat(tools=[HOSTED], tool_choice=choice, parallel_tool_calls=False)
    assert set(body) == {"model", "messages"}
    assert losses == ["tools[0]; dropped: web_search", *(f"{loss}; dropped" for loss in lost)]


def test_a_choice_of_a_tool_that_is_not_there_is_a_400():
    for choice in (flat("g"), {"type": "custom", "name": "g"}):
        refused(to_chat, resp_body(tools=[flat(), HOSTED], tool_choice=choice), "tool_choice")
        allowed = {"type": "allowed_tools", "tools": [flat(), choice]}
        refused(to_chat, resp_body(tools=[flat()], tool_choice=allowed), "tool_choice.tools[1]")


def test_a_flat_tools_unknown_key_is_a_loss():
    assert official_chat(tools=[flat(vendor=1)])[1] == ["tools[0].vendor; dropped"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [flat()], "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tools": [flat()], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools"),
        ({"tool_choice": 3}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
    ],
)
def test_a_wrong_tool_field_from_responses_is_a_400_that_names_it(fields: Json, param: str):
    refused(to_chat, resp_body(**fields), param)


# The answer's format, both ways -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chat", "responses"),
    [
        ({"type": "text"}, {"type": "text"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": SCHEMA}},
            {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA},
        ),
    ],
)
def test_structured_output_crosses_whole_both_ways(chat: Json, responses: Json):
    up, losses = official_responses(response_format=chat)
    assert up["text"] == {"format": responses}
    assert losses == []
    down, losses = official_chat(text={"format": responses})
    assert down["response_format"] == chat
    assert losses == []


def test_a_schema_left_out_is_an_empty_one():
    up, _ = official_responses(response_format={"type": "json_schema", "json_schema": {"name": "n"}})
    assert up["text"]["format"] == {"type": "json_schema", "name": "n", "schema": NO_PARAMETERS}


def test_a_vendors_format_passes():
    grammar = {"type": "structural_tag", "structures": []}
    assert to_responses(chat_body(response_format=grammar))[0]["text"] == {"format": grammar}
    assert to_chat(resp_body(text={"format": grammar}))[0]["response_format"] == grammar


# What backends refuse ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, NO_PARAMETERS),
        ({}, NO_PARAMETERS),
        ({"type": None}, NO_PARAMETERS),
        ({"type": "object", "properties": None}, NO_PARAMETERS),
        ({"type": None, "required": []}, {"type": "object", "required": [], "properties": {}}),
        ({"properties": SCHEMA["properties"]}, SCHEMA),
        ({"$ref": "#/$defs/A", "$defs": {}}, {"type": "object", "$ref": "#/$defs/A", "$defs": {}}),
        ({"anyOf": [SCHEMA]}, {"type": "object", "anyOf": [SCHEMA]}),
        (SCHEMA, SCHEMA),
        ({"type": "object"}, {"type": "object"}),
    ],
)
def test_parameters_are_the_schema_of_an_object_both_ways(schema: Any, expected: Json):
    body, _ = to_chat(resp_body(tools=[flat(parameters=schema)]))
    assert body["tools"] == [nested(parameters=expected)]
    body, _ = to_responses(chat_body(tools=[nested(parameters=schema)]))
    assert body["tools"] == [flat(parameters=expected, strict=False)]


@pytest.mark.parametrize(
    ("values", "ours"),
    [
        ((), True),
        ((True,), True),
        ((True, True), True),
        ((False,), False),
        ((None,), None),
        ((True, None), None),
    ],
)
def test_a_stand_in_for_a_custom_tool_is_as_strict_as_the_clients_functions(values: Any, ours: Any):
    functions = [
        flat(f"f{number}", parameters=SCHEMA, **({} if value is None else {"strict": value}))
        for number, value in enumerate(values)
    ]
    body, losses = to_chat(resp_body(tools=[*functions, {"type": "custom", "name": "patch"}]))
    assert body["tools"][-1]["function"].get("strict") is ours
    assert losses == []


def test_one_strictness_for_all_where_the_backend_takes_no_other():
    tools = [flat("a", parameters=SCHEMA, strict=True), flat("b", parameters=SCHEMA, strict=False)]
    body, losses = to_chat(resp_body(tools=tools), Quirks(mixed_strict=False))
    assert [each["function"].get("strict") for each in body["tools"]] == [None, None]
    assert losses == ["tools.strict; dropped"]
    body, losses = to_chat(resp_body(tools=tools[:1]), Quirks(mixed_strict=False))
    assert (body["tools"][0]["function"]["strict"], losses) == (True, [])
    body, losses = to_chat(resp_body(tools=tools))
    assert ([each["function"]["strict"] for each in body["tools"]], losses) == ([True, False], [])
