"""What breaks bridges to Chat backends, row by row (`docs/pitfalls.md`), for any vendor."""
# ruff: noqa: RUF012

from typing import Any

import pytest

from chat2response.convert.quirks.profiles import PROFILES, profile
from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, events_of, output_of, tool_call, whole

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
THOUGHT: Any = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
CALL = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "rain"}


class TestRows(VendorStage):
    """Row 52: the transcript is full of chunks without output."""

    profile = "generic"
    transcript = rb"""
{"id":"r","choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}
{"id":"r","choices":[{"index":0,"delta":{"role":"assistant"}}]}
{"id":"r","choices":[{"index":0,"delta":null,"finish_reason":null}]}
{"id":"r","choices":[{"index":0,"delta":{"content":null,"tool_calls":null,"reasoning_content":null}}]}
{"id":"r","choices":[{"index":0,"delta":{"content":"","tool_calls":[],"reasoning_content":""}}]}
{"id":"r","choices":[{"index":0,"delta":{"content":"Rain."},"finish_reason":""}]}
{"id":"r","choices":[{"index":0,"delta":{}}],"usage":null}
{"id":"r","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
{"id":"r","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":2}}}
[DONE]
"""
    completion = whole(
        {"content": "Rain.", "tool_calls": [], "reasoning_content": "", "refusal": None}, USAGE
    )
    expected_output = [("text", "Rain.")]
    usage = (9, 5, 4, 2)
    echoed = {"role": "assistant", "content": "Rain."}

    @pytest.mark.parametrize("name", PROFILES)
    def test_row_4_reasoning_stands_before_what_it_belongs_to(self, name: str, upstream: Asking) -> None:
        """Whatever the name of the field; a summary does not replace the text."""
        quirks = PROFILES[name]
        message = {quirks.reasoning_in[0]: "Hm.", "content": "I look.", "tool_calls": [tool_call("call_a")]}
        stream = (
            b'{"choices":[{"index":0,"delta":{"%b":"Hm."}}]}\n'
            b'{"choices":[{"index":0,"delta":{"content":"I look."}}]}\n'
            b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","function":'
            b'{"name":"weather","arguments":"{\\"city\\":\\"Oslo\\"}"}}]},"finish_reason":"tool_calls"}]}\n'
            b"[DONE]" % quirks.reasoning_in[0].encode()
        )
        kinds = [("reasoning", "Hm."), ("text", "I look."), ("call", "weather", '{"city":"Oslo"}')]
        self.profile = name  # type: ignore[misc]
        assert output_of(self.read_whole(whole(message, USAGE))) == kinds
        assert output_of(self.streamed(events_of(stream))) == kinds

    @pytest.mark.parametrize(
        "pieces",
        [
            # (index, id, name, arguments) of each chunk, for a call of weather(1) and one of weather(2)
            [(0, "a", "weather", ""), (0, None, None, "1"), (1, "b", "weather", ""), (1, None, None, "2")],
            [(0, "a", "weather", ""), (0, "a", "weather", "1"), (1, "b", "weather", ""), (1, "b", None, "2")],
            [(0, "a", None, ""), (0, None, "weather", "1"), (1, "b", "wea", ""), (1, None, "ther", "2")],
            [(0, "a", "weather", "1"), (0, "b", "weather", "2")],
            [(None, "a", "weather", "1"), (None, "b", "weather", "2")],
            [(0, "a", "weather", ""), (1, "b", "weather", ""), (1, None, None, "2"), (0, None, None, "1")],
        ],
    )
    def test_rows_6_and_7_calls_are_told_apart_however_they_are_numbered(self, pieces: Any) -> None:
        lines = []
        for index, call_id, name, arguments in pieces:
            text = b"" if not arguments else b'{\\"n\\":%b}' % arguments.encode()
            fields = [
                b'"function":{%b"arguments":"%b"}' % (b'"name":"%b",' % name.encode() if name else b"", text)
            ]
            fields += [b'"index":%d' % index] if index is not None else []
            fields += [b'"id":"%b"' % call_id.encode()] if call_id else []
            lines.append(b'{"choices":[{"index":0,"delta":{"tool_calls":[{%b}]}}]}' % b",".join(fields))
        stream = events_of(b"\n".join([*lines, b"[DONE]"]))
        output = self.streamed(
            stream.replace(b"data: [DONE]", b'data: {"choices":[{"index":0,"finish_reason":"tool_calls"}]}')
        )["output"]
        assert [(item["call_id"], item["name"], item["arguments"]) for item in output] == [
            ("a", "weather", '{"n":1}'),
            ("b", "weather", '{"n":2}'),
        ]

    @pytest.mark.parametrize("name", PROFILES)
    def test_row_26_usage_is_asked_for_wherever_that_can_be_said(self, name: str, upstream: Asking) -> None:
        self.profile = name  # type: ignore[misc]
        body, _ = self.body(upstream)
        requested = body.get("stream_options") == {"include_usage": True}
        assert requested is PROFILES[name].usage_in_stream

    @pytest.mark.parametrize("name", ["openai", "vllm", "qwen"])
    def test_row_28_nobodys_instructions_become_the_users(self, name: str, upstream: Asking) -> None:
        self.profile = name  # type: ignore[misc]
        late = {"type": "message", "role": "developer", "content": "Be brief."}
        body, _ = self.body(upstream, late, instructions="Help.")
        users = [message["content"] for message in body["messages"] if message["role"] == "user"]
        marked = profile(name).system_placement == "first_only"
        assert users[0] == "How is the weather in Oslo?"
        assert users[1:] == (["<system_message>\nBe brief.\n</system_message>"] if marked else [])

    def test_row_30_a_thought_that_says_nothing_leaves_nothing_behind(self, upstream: Asking) -> None:
        """An item without text and seal goes, not only its id; what follows it stays."""
        empty: Any = {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": None,
            "encrypted_content": None,
        }
        body, lost = self.body(upstream, empty, CALL, OUTPUT)
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool"]
        assert set(body["messages"][1]) == {"role", "content", "tool_calls"}
        body, lost = self.body(upstream, empty)
        assert ([message["role"] for message in body["messages"]], lost) == (["user"], [])

    def test_row_30_a_thought_joins_the_answer_it_stands_before(self, upstream: Asking) -> None:
        body, _ = self.body(upstream, THOUGHT, CALL, OUTPUT)
        assert body["messages"][1]["reasoning_content"] == "Hm."
        assert body["messages"][1]["tool_calls"][0]["id"] == "c"

    @pytest.mark.parametrize("name", PROFILES)
    def test_row_39_no_field_of_an_item_goes_up_by_accident(self, name: str, upstream: Asking) -> None:
        """Status, ids, phases, metadata: backends answer 400 to unknown fields."""
        clutter = {"status": "completed", "id": "x_1", "created_by": "me", "metadata": {"a": 1}}
        items = [
            {"type": "message", "role": "user", "content": "Hi", **clutter},
            {**THOUGHT, **clutter},
            {"type": "message", "role": "assistant", "content": "I look.", "phase": "commentary", **clutter},
            {**CALL, **clutter},
            {**OUTPUT, **clutter},
        ]
        self.profile = name  # type: ignore[misc]
        body, lost = self.body(upstream, *items)
        known = {"role", "content", "tool_calls", "tool_call_id", PROFILES[name].reasoning_field}
        assert all(known.issuperset(message) for message in body["messages"])
        called_with = {"id", "type", "function", "extra_content"}
        assert all(called_with.issuperset(each) for each in body["messages"][2]["tool_calls"])
        assert lost == [f"input[{number}].metadata" for number in range(1, 6)]

    def test_row_43_tags_are_split_only_where_a_profile_says(self) -> None:
        tagged = whole({"content": "<think>Hm.</think>Yes."}, USAGE)
        assert output_of(self.read_whole(tagged)) == [("text", "<think>Hm.</think>Yes.")]
        self.profile = "groq"  # type: ignore[misc]
        assert output_of(self.read_whole(tagged)) == [("reasoning", "Hm."), ("text", "Yes.")]
