"""An unknown server: few fields are sent, every known field of reasoning is read, and metadata goes back."""
# ruff: noqa: RUF012

import pytest

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

EXTRA = {"google": {"thought_signature": "Cv=="}}
CALL = tool_call("call_1", extra_content=EXTRA)
USAGE = {"prompt_tokens": "12", "completion_tokens": 4.0, "total_tokens": 16}


class TestGeneric(VendorStage):
    profile = "generic"
    transcript = rb"""
{"choices":[]}
{"choices":[{"delta":{}}]}
{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":""}]}
{"choices":[{"index":0,"delta":{"reasoning":"Hm"}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"call_1","function":{"name":"weather","arguments":{"city":"Oslo"}},"extra_content":{"google":{"thought_signature":"Cv=="}}}]}}]}
{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":12,"completion_tokens":4.0,"total_tokens":16}}
"""
    completion = whole(
        {"reasoning": "Hm", "tool_calls": [CALL]},
        {"prompt_tokens": 12, "completion_tokens": 4.0, "total_tokens": 16},
        "tool_calls",
    )
    expected_output = [("reasoning", "Hm"), ("call", "weather", '{"city":"Oslo"}')]
    usage = (12, 0, 4, 0)
    echoed = {"role": "assistant", "content": None, "reasoning_content": "Hm", "tool_calls": [CALL]}

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
    def test_every_known_field_of_reasoning_is_read(self, field: str) -> None:
        output = self.read_whole(whole({field: "Hm", "content": "Yes"}, USAGE))["output"]
        assert [item["type"] for item in output] == ["reasoning", "message"]

    def test_little_is_asked_of_it(self, upstream: Asking) -> None:
        parts = [{"type": "input_text", "text": each} for each in ("a", "b")]
        developer = {"type": "message", "role": "developer", "content": parts}
        body, lost = self.body(upstream, developer, max_output_tokens=9)
        assert body["messages"][-1] == {"role": "system", "content": "a\n\nb"}
        assert (body["max_tokens"], lost) == (9, [])
