"""Properties of every request: law 5 (prompt cache), round trips, and a 400 for every invalid request."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses.request import request as responses
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy
from chat2response.convert.quirks.quirks import Quirks
from chat2response.errors import InvalidRequest
from chat2response.wire.json import decode, encode
from tests.support.convert.conversations import Turn, chat_form, conversations, items_form
from tests.support.convert.requests import (
    assert_official_chat,
    assert_official_responses,
    chat_body,
    resp_body,
    to_chat,
    to_responses,
)

TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "fg"]
FLAT_TOOLS: list[Any] = [
    {"type": "function", "name": name, "parameters": {}, "strict": None} for name in "fg"
]

# Round trips ------------------------------------------------------------------------------------------


@given(conversations)
def test_chat_to_responses_and_back_is_the_canonical_chat(turns: list[Turn]):
    for loose in (False, True):
        up, _ = to_responses(chat_body(messages=chat_form(turns, loose=loose)))
        back, _ = to_chat(up)
        assert back["messages"] == chat_form(turns)


@given(conversations)
def test_responses_to_chat_and_back_are_the_canonical_items(turns: list[Turn]):
    for loose in (False, True):
        down, losses = to_chat(resp_body(input=items_form(turns, loose=loose)))
        back, _ = to_responses(down)
        assert back["input"] == items_form(turns)
        assert losses == []


@given(conversations)
@settings(max_examples=20)
def test_both_forms_are_official(turns: list[Turn]):
    assert_official_responses(to_responses(chat_body(messages=chat_form(turns), tools=TOOLS))[0])
    assert_official_chat(to_chat(resp_body(input=items_form(turns), tools=FLAT_TOOLS))[0])


# Law 5: the prompt cache ------------------------------------------------------------------------------


def _grows(shorter: bytes, longer: bytes) -> bool:
    """Whether a request that ends in its history starts the next turn's request."""
    assert shorter.endswith(b"]}")
    return longer.startswith(shorter.removesuffix(b"]}"))


@given(conversations)
def test_a_longer_chat_history_extends_the_bytes_to_responses(turns: list[Turn]):
    bodies = [
        encode(to_responses(chat_body(messages=chat_form(turns[:count]), tools=TOOLS, max_tokens=9))[0])
        for count in range(1, len(turns) + 1)
    ]
    for shorter, longer in pairwise(bodies):
        assert _grows(shorter, longer)


@given(conversations)
def test_a_longer_list_of_items_extends_the_bytes_to_chat(turns: list[Turn]):
    bodies = [
        encode(to_chat(resp_body(input=items_form(turns[:count]), tools=FLAT_TOOLS, instructions="x"))[0])
        for count in range(1, len(turns) + 1)
    ]
    for shorter, longer in pairwise(bodies):
        assert _grows(shorter, longer)


@given(conversations)
def test_the_same_request_is_the_same_bytes(turns: list[Turn]):
    body = chat_body(messages=chat_form(turns), tools=TOOLS)
    once = encode(to_responses(body)[0])
    assert encode(to_responses(decode(encode(body)))[0]) == once
    assert encode(to_chat(decode(once))[0]) == encode(to_chat(decode(once))[0])


# Nonsense ---------------------------------------------------------------------------------------------

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.floats(allow_nan=False, width=16),
    st.sampled_from(["", "x", "auto", "function", "message", "user", "assistant", "input_text", "text"]),
)  # fmt: skip
_keys = st.sampled_from(["type", "role", "content", "name", "id", "text", "x", ""])
_json = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=3)),
    max_leaves=6,
)

CHAT: Any = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "name": "bob", "content": [
            {"type": "text", "text": "look", "cache_control": {"a": 1}},
            {"type": "image_url", "image_url": {"url": "u", "detail": "low", "x": 1}},
            {"type": "file", "file": {"file_id": "f", "file_data": "d", "filename": "n", "x": 1}},
        ]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "r"}],
         "refusal": "no", "reasoning_content": "hm", "audio": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}", "x": 1}, "x": 1},
            {"id": "2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "x"}]},
    ],
    "max_tokens": 5, "n": 1, "stop": None, "seed": 1, "logit_bias": {}, "modalities": ["text"],
    "stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False, "x": 1},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True, "x": 1}}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "f"}}]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
    "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "b"}}},
    "reasoning_effort": "low", "verbosity": "low", "logprobs": True, "top_logprobs": 2, "store": True,
    "frequency_penalty": 1, "presence_penalty": 0, "prediction": {}, "reasoning": {}, "text": {},
    "include": [], "conversation": {"id": "c"}, "previous_response_id": "r", "background": False,
}  # fmt: skip

CHAT_ALONE = CHAT | {"conversation": None, "previous_response_id": None}

RESPONSES: Any = {
    "model": "m",
    "instructions": "i",
    "input": [
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "user", "name": "bob", "content": [
            {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_image", "image_url": "u", "detail": "low", "file_id": None},
            {"type": "input_file", "file_id": "f", "file_data": "d", "filename": "n", "detail": "low"},
            {"type": "input_audio", "input_audio": {"data": "d"}},
        ]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}],
         "content": [{"type": "reasoning_text", "text": "t"}], "encrypted_content": "e"},
        {"type": "message", "id": "m", "role": "assistant", "content": [
            {"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "r"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "namespace": "n", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
        {"type": "web_search_call", "id": "ws"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "function_call_output", "call_id": None, "name": "f", "output": [
            {"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "u"}]},
    ],
    "max_output_tokens": 5, "stream": True, "stream_options": {"include_obfuscation": True, "x": 1},
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True, "x": 1}, {"type": "mcp"}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low", "x": 1},
    "reasoning": {"effort": "low", "summary": "auto", "x": 1}, "include": ["message.output_text.logprobs"],
    "top_logprobs": 2, "store": False, "background": False, "truncation": "auto", "n": 1,
    "prompt_cache_options": {"mode": "explicit", "ttl": "12h"}, "service_tier": "auto", "metadata": {},
}  # fmt: skip


_GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "d"}
EVERY_TOOL: Any = {
    "model": "m",
    "input": [
        {"type": "additional_tools", "role": "developer", "tools": [
            {"type": "namespace", "name": "n", "description": "d", "tools": [
                {"type": "custom", "name": "c", "format": _GRAMMAR}, {"type": "function", "name": "g"}]}]},
        {"role": "user", "content": "hi"},
        {"type": "custom_tool_call", "call_id": "1", "namespace": "n", "name": "c", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "x"}]},
        {"type": "local_shell_call", "id": "l", "call_id": "2", "action": {"type": "exec", "command": ["x"]}},
        {"type": "local_shell_call_output", "id": "l", "output": "x"},
        {"type": "shell_call", "call_id": "3", "action": {"commands": ["x"], "timeout_ms": 1}},
        {"type": "shell_call_output", "call_id": "3", "output": [
            {"stdout": "x", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
        {"type": "apply_patch_call", "call_id": "4", "operation": {"type": "delete_file", "path": "x"}},
        {"type": "apply_patch_call_output", "call_id": "4", "status": "completed", "output": "x"},
        {"type": "tool_search_call", "call_id": "5", "execution": "client", "arguments": {"query": "x"}},
        {"type": "tool_search_output", "call_id": "5", "execution": "client", "tools": [
            {"type": "function", "name": "h"}]},
        {"type": "computer_call", "id": "c", "call_id": "6", "action": {"type": "screenshot"}},
        {"type": "computer_call_output", "call_id": "6", "output": {"image_url": "u"}},
        {"type": "mcp_call", "id": "p", "server_label": "s", "name": "f", "arguments": "{}", "output": "x"},
        {"type": "code_interpreter_call", "id": "i", "code": "x", "outputs": [
            {"type": "logs", "logs": "x"}, {"type": "image", "url": "u"}]},
        {"type": "file_search_call", "id": "f", "queries": ["x"], "results": [
            {"filename": "n", "text": "x"}]},
        {"type": "image_generation_call", "id": "g", "result": "AAAA", "output_format": "webp"},
        {"type": "configuration_update", "reasoning": {"effort": "low"}, "text": {"verbosity": "low"}},
    ],
    "tools": [
        {"type": "custom", "name": "c", "description": "d", "format": _GRAMMAR},
        {"type": "namespace", "name": "n", "description": "d", "tools": [{"type": "function", "name": "f"}]},
        {"type": "local_shell"}, {"type": "shell", "environment": {"type": "local"}}, {"type": "apply_patch"},
        {"type": "tool_search", "execution": "client", "description": "d", "parameters": {}},
        {"type": "web_search", "filters": {}},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
        {"type": "custom", "name": "c"}, {"type": "shell"}, {"type": "web_search"}]},
    "parallel_tool_calls": True,
}  # fmt: skip


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every pair of container and key inside a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@st.composite
def _spoiled(draw: st.DrawFn, good: Any) -> Any:
    """A valid request with one to three values replaced by anything, or removed."""
    body = decode(encode(good))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(body))
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        if draw(st.integers(0, 4)):
            holder[key] = draw(_json)
        else:
            del holder[key]
    return body


def _survives(read: Any, body: Any) -> None:
    """Conversion gives a request, or a 400 that names a field, and leaves the body unchanged."""
    before = encode(body)
    for write in (responses.write_request, chat.write_request):
        losses = Losses()
        try:
            assert encode(write(read(body), losses))
        except InvalidRequest as error:
            unnamed = not error.param
        else:
            unnamed = False
        assert not unnamed
        losses.header()
    assert encode(body) == before


def test_what_is_spoiled_below_was_good():
    assert chat.write_request(
        chat.read_request(CHAT | {"conversation": None, "previous_response_id": None}), Losses()
    )
    assert responses.write_request(chat.read_request(CHAT), Losses())
    assert chat.write_request(responses.read_request(EVERY_TOOL), Losses())
    assert chat.write_request(responses.read_request(RESPONSES), Losses())


@given(_spoiled(CHAT | {"conversation": None, "previous_response_id": None}))
@settings(max_examples=400)
def test_a_spoiled_chat_request_is_at_worst_a_400(body: Any):
    _survives(chat.read_request, body)


@given(_spoiled(RESPONSES))
@settings(max_examples=400)
def test_a_spoiled_responses_request_is_at_worst_a_400(body: Any):
    _survives(responses.read_request, body)


_names = st.sampled_from(
    sorted({*CHAT, *RESPONSES, "functions", "function_call", "audio", "prompt", "image", "zzz"})
)


@given(st.dictionaries(_names, _json, max_size=6))
@settings(max_examples=300)
def test_any_values_under_known_names_are_at_worst_a_400(body: Any):
    _survives(chat.read_request, body)
    _survives(responses.read_request, body)


@given(_spoiled(EVERY_TOOL), st.booleans())
def test_a_spoiled_request_with_tools_of_every_kind_is_at_worst_a_400(body: Any, mistral: bool):
    quirks = Quirks(max_call_id=9, call_id_form="[a-zA-Z0-9]{9}", custom_tools=True) if mistral else Quirks()
    policy = Policy("drop", "repair") if mistral else Policy()
    before = encode(body)
    try:
        hub = responses.read_request(body)
        assert encode(chat.write_request(hub, Losses(), quirks, policy=policy))
    except InvalidRequest as error:
        unnamed = not error.param
    else:
        unnamed = False
    assert not unnamed
    assert encode(body) == before
