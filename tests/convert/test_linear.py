"""The cost of a conversion is linear in the size of the request.

Each of these conversions once took minutes. The limit is CPU time of this thread, about fifty times today's.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from chat2response.convert.library.functions import to_chat_request, to_responses_request
from chat2response.convert.library.streams import ChatToResponses, ResponsesToChat
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
    """An output answers the first open call of its name, also if several calls share the name."""
    other = {"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}}
    answers = [{**_RESULT, "content": "1"}, {**_RESULT, "name": "g", "content": "2"}]
    messages = [_CALL, other, _CALL, *answers, {**_RESULT, "content": "3"}]
    request: Any = to_responses_request({"model": "m", "functions": _FUNCTIONS, "messages": messages})

    items = [(item["call_id"], item.get("output")) for item in request["input"]]
    calls, outputs = items[:3], items[3:]
    assert [each for each, _ in calls] == ["call_legacy_0", "call_legacy_1", "call_legacy_2"]
    assert outputs == [("call_legacy_0", "1"), ("call_legacy_1", "2"), ("call_legacy_2", "3")]


# -- streams: one event, or one read, with very many things in it -----------------------------------------


def _steps(work: Callable[[], Any]) -> int:
    """The number of Python instructions of `work`, which is the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _read(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _chat(entries: list[dict[str, Any]]) -> bytes:
    return _read({"choices": [{"index": 0, "delta": {"tool_calls": entries}}]})


def _entry(number: int, **fields: Any) -> dict[str, Any]:
    called = {"name": "f", "arguments": "{", **fields}
    return {"index": number, "id": f"c{number}", "type": "function", "function": called}


def _without_index(number: int) -> dict[str, Any]:
    return {key: value for key, value in _entry(number).items() if key != "index"}


def _events(kind: str, count: int, fields: Callable[[int], dict[str, Any]]) -> bytes:
    return b"".join(_read({"type": f"response.{kind}", **fields(number)}) for number in range(count))


def _searches(count: int) -> bytes:
    begun = _events(
        "output_item.added",
        count,
        lambda n: {"output_index": n, "item": {"type": "web_search_call", "id": f"ws_{n}"}},
    )
    return begun + _events("web_search_call.searching", count, lambda n: {"output_index": n})


CHAT_READS: dict[str, Callable[[int], bytes]] = {
    "calls that stay open": lambda count: _chat([_entry(n) for n in range(count)]),
    "calls in the contrary order": lambda count: _chat([_entry(n) for n in reversed(range(count))]),
    "calls that are whole": lambda count: _chat([_entry(n, arguments="{}") for n in range(count)]),
    "calls without a name": lambda count: _chat([_entry(n, name="") for n in range(count)]),
    "arguments that nothing names, in an event each": lambda count: b"".join(
        _chat([{"index": n, "function": {"arguments": "{"}}]) for n in range(count)
    ),
    "calls at one index": lambda count: _chat([{**_entry(n), "index": 0} for n in range(count)]),
    "calls without an index": lambda count: _chat([_without_index(n) for n in range(count)]),
    "an event for each call": lambda count: b"".join(_chat([_entry(n)]) for n in range(count)),
    "an event for each call, at one index": lambda count: b"".join(
        _chat([{**_entry(n), "index": 0}]) for n in range(count)
    ),
    "words and thoughts by turns, beside open calls": lambda count: (
        _chat([_entry(n) for n in range(count)])
        + b"".join(
            _read({"choices": [{"index": 0, "delta": {key: "a"}}]})
            for _ in range(count)
            for key in ("content", "reasoning_content")
        )
    ),
}
RESPONSES_READS: dict[str, Callable[[int], bytes]] = {
    "calls that stay open": lambda count: _events(
        "output_item.added",
        count,
        lambda n: {"output_index": n, "item": {"type": "function_call", "name": "f", "call_id": f"c{n}"}},
    ),
    "arguments at many places": lambda count: _events(
        "function_call_arguments.delta",
        count,
        lambda n: {"output_index": n, "item_id": f"f{n}", "delta": "{"},
    ),
    "parts of a text": lambda count: _events(
        "output_text.delta", count, lambda n: {"output_index": 0, "content_index": n, "delta": "a"}
    ),
    "messages": lambda count: _events(
        "output_text.delta", count, lambda n: {"output_index": n, "delta": "a"}
    ),
    "searches that go on": _searches,
    "calls that the end tells": lambda count: _read(
        {
            "type": "response.completed",
            "response": {
                "output": [
                    {"type": "function_call", "name": "f", "call_id": f"c{n}", "arguments": "{"}
                    for n in range(count)
                ]
            },
        }
    ),
}
_FEW = 50
TOOLS = [{"type": "custom", "name": "c"}, {"type": "function", "name": "f", "parameters": {}}]


@pytest.mark.parametrize("tools", [[], TOOLS], ids=["no tools", "tools to be turned back"])
@pytest.mark.parametrize("name", CHAT_READS)
def test_what_a_read_of_a_chat_stream_costs_grows_with_what_is_in_it(name: str, tools: list[Any]) -> None:
    few, many = (
        _steps(partial(ChatToResponses({"model": "m", "tools": tools}).feed, CHAT_READS[name](count)))
        for count in (_FEW, 8 * _FEW)
    )
    assert many < 10 * few


@pytest.mark.parametrize("name", RESPONSES_READS)
def test_what_a_read_of_a_responses_stream_costs_grows_with_what_is_in_it(name: str) -> None:
    few, many = (
        _steps(partial(ResponsesToChat().feed, RESPONSES_READS[name](count))) for count in (_FEW, 8 * _FEW)
    )
    assert many < 10 * few
