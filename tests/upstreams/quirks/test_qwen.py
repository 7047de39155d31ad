"""Qwen (DashScope): `enable_thinking`, one system message, at the beginning, usage in a chunk of its own."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, whole

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "completion_tokens_details": {"reasoning_tokens": 4},
    "prompt_tokens_details": {"cached_tokens": 0},
}


class TestQwen(VendorStage):
    profile = "qwen"
    transcript = rb"""
{"choices":[{"delta":{"content":null,"role":"assistant","reasoning_content":""},"index":0,"logprobs":null,"finish_reason":null}],"object":"chat.completion.chunk","usage":null,"created":1,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-q"}
{"choices":[{"finish_reason":null,"logprobs":null,"delta":{"content":null,"reasoning_content":"Autumn"},"index":0}],"object":"chat.completion.chunk","usage":null,"created":1,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-q"}
{"choices":[{"finish_reason":null,"logprobs":null,"delta":{"content":null,"reasoning_content":" there."},"index":0}],"object":"chat.completion.chunk","usage":null,"created":1,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-q"}
{"choices":[{"delta":{"content":"Rain.","reasoning_content":null},"finish_reason":null,"index":0,"logprobs":null}],"object":"chat.completion.chunk","usage":null,"created":1,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-q"}
{"choices":[{"delta":{"content":"","reasoning_content":null},"finish_reason":"stop","index":0,"logprobs":null}],"object":"chat.completion.chunk","usage":null,"created":1,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-q"}
{"choices":[],"object":"chat.completion.chunk","usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":4},"prompt_tokens_details":{"cached_tokens":0}},"created":1,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-q"}
[DONE]
"""
    completion = whole({"content": "Rain.", "reasoning_content": "Autumn there."}, USAGE)
    expected_output = [("reasoning", "Autumn there."), ("text", "Rain.")]
    usage = (10, 0, 7, 4)
    echoed = {"role": "assistant", "content": "Rain."}

    def test_a_late_instruction_stays_in_its_place(self, upstream: Asking) -> None:
        late = {"type": "message", "role": "developer", "content": "Be brief."}
        body, lost = self.body(upstream, late, instructions="Help.")
        assert body["messages"][0] == {"role": "system", "content": "Help."}
        assert [message["role"] for message in body["messages"]] == ["system", "user", "user"]
        assert body["messages"][2]["content"] == "<system_message>\nBe brief.\n</system_message>"
        assert lost == ["input[1]"]

    def test_a_named_choice_is_kept_where_thinking_is_off(self, upstream: Asking) -> None:
        choice = {"type": "function", "name": "weather"}
        for fields in ({}, {"reasoning": {"effort": "high"}}, {"enable_thinking": True}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert "tool_choice" not in body
            assert "tool_choice" in lost
        for fields in ({"reasoning": {"effort": "none"}}, {"enable_thinking": False}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
            assert lost == []

    def test_reasoning_is_a_switch(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, reasoning={"effort": "high"})
        assert (body["enable_thinking"], lost) == (True, ["reasoning.effort"])
        assert "reasoning_effort" not in body
        body, lost = self.body(upstream, reasoning={"effort": "none"})
        assert (body["enable_thinking"], lost) == (False, [])
