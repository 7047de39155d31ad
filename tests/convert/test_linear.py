"""What a conversion costs grows with the request, not with its square.

Each of these took minutes; the bound is CPU time of this thread, and some fifty times what they take now.
"""

import time
from typing import Any

import pytest

from chat2response.convert.face import to_chat_request, to_responses_request
from chat2response.convert.losses import Losses

_MANY = 12_000
_CPU_SECONDS = 10.0

_CALL = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
_RESULT = {"role": "function", "name": "f", "content": "x"}
_FUNCTIONS = [{"name": "f"}]
_TEXT = "a" * 2_000

CHAT: dict[str, dict[str, Any]] = {
    "calls of the old form": {"functions": _FUNCTIONS, "messages": [_CALL, _RESULT] * _MANY},
    "calls of the old form, answered at the end": {
        "functions": _FUNCTIONS,
        "messages": [_CALL] * _MANY + [_RESULT] * _MANY,
    },
    "parts with keys of their own": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}] * 3 * _MANY}]
    },
}
RESPONSES: dict[str, dict[str, Any]] = {
    "system messages": {"input": [{"role": "system", "content": "a"}] * 4 * _MANY},
    "refusals": {
        "input": [{"role": "assistant", "content": [{"type": "refusal", "refusal": _TEXT}] * _MANY}]
    },
    "reasoning": {
        "input": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": _TEXT}] * _MANY},
            {"role": "user", "content": "a"},
        ]
    },
    "tools that are all allowed": {
        "input": "a",
        "tools": [{"type": "function", "name": f"f{at}"} for at in range(2 * _MANY)],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": f"f{at}"} for at in range(2 * _MANY)],
        },
    },
    "a tool's long name": {
        "input": [
            {"type": "function_call", "call_id": "c", "name": "f " * 4_000_000, "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ]
    },
}


@pytest.mark.parametrize("name", CHAT)
def test_a_chat_request_is_converted_in_time(name: str) -> None:
    started = time.thread_time()
    to_responses_request({"model": "m", **CHAT[name]})
    assert time.thread_time() - started < _CPU_SECONDS


@pytest.mark.parametrize("profile", ["deepseek", "vllm", "mistral", "gemini"])
@pytest.mark.parametrize("name", RESPONSES)
def test_a_responses_request_is_converted_in_time(name: str, profile: str) -> None:
    started = time.thread_time()
    to_chat_request({"model": "m", **RESPONSES[name]}, quirks=profile)
    assert time.thread_time() - started < _CPU_SECONDS


def test_the_header_of_a_loss_with_a_very_long_name_is_made_of_its_beginning() -> None:
    losses = Losses()
    losses.add("k" * 30_000_000)
    started = time.thread_time()
    assert losses.header() == "..."
    assert time.thread_time() - started < 1.0


def test_calls_of_the_old_form_pair_up_as_before() -> None:
    """The first call of its name that waits is answered, also among calls that share it."""
    other = {"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}}
    answers = [{**_RESULT, "content": "1"}, {**_RESULT, "name": "g", "content": "2"}]
    messages = [_CALL, other, _CALL, *answers, {**_RESULT, "content": "3"}]
    made: Any = to_responses_request({"model": "m", "functions": _FUNCTIONS, "messages": messages})

    items = [(item["call_id"], item.get("output")) for item in made["input"]]
    calls, outputs = items[:3], items[3:]
    assert [each for each, _ in calls] == ["call_legacy_0", "call_legacy_1", "call_legacy_2"]
    assert outputs == [("call_legacy_0", "1"), ("call_legacy_1", "2"), ("call_legacy_2", "3")]
