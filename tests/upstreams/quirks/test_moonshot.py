"""Moonshot (Kimi): usage in the choice, `cached_tokens` bare; reasoning comes back within a tool loop."""
# ruff: noqa: E501, RUF012

from typing import Any

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("weather:0")
USAGE = {"prompt_tokens": 90, "completion_tokens": 25, "total_tokens": 115, "cached_tokens": 80}


class TestMoonshot(VendorStage):
    profile = "moonshot"
    transcript = rb"""
{"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"system_fingerprint":"fpv0_x"}
{"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,"delta":{"reasoning_content":"Let me "},"finish_reason":null}],"system_fingerprint":"fpv0_x"}
{"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,"delta":{"reasoning_content":"look."},"finish_reason":null}],"system_fingerprint":"fpv0_x"}
{"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"weather:0","type":"function","function":{"name":"weather","arguments":""}}]},"finish_reason":null}],"system_fingerprint":"fpv0_x"}
{"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"Oslo\"}"}}]},"finish_reason":null}],"system_fingerprint":"fpv0_x"}
{"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k2.6","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls","usage":{"prompt_tokens":90,"completion_tokens":25,"total_tokens":115,"cached_tokens":80}}],"system_fingerprint":"fpv0_x"}
[DONE]
"""
    completion = whole(
        {"content": "", "reasoning_content": "Let me look.", "tool_calls": [CALL]}, USAGE, "tool_calls"
    )
    expected_output = [("reasoning", "Let me look."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (90, 80, 25, 0)
    echoed = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Let me look.",
        "tool_calls": [CALL],
    }

    def test_a_forced_tool_is_a_loss(self, upstream: Asking) -> None:
        """Thinking and `required` are a 400 together."""
        body, lost = self.body(upstream, tool_choice="required", max_output_tokens=9)
        assert ("tool_choice" in body, lost) == (False, ["tool_choice"])
        assert body["max_completion_tokens"] == 9
        assert "strict" not in body["tools"][0]["function"]

    def test_a_forced_choice_is_kept_where_thinking_is_off(self, upstream: Asking) -> None:
        choice: Any = "required"
        for fields in ({}, {"reasoning": {"effort": "high"}}, {"thinking": {"type": "enabled"}}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert "tool_choice" not in body
            assert "tool_choice" in lost
        for fields in ({"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert body["tool_choice"] == "required"
            assert "tool_choice" not in lost

    def test_an_effort_stands_without_the_switch(self, upstream: Asking) -> None:
        """Thinking and a forced choice together are a 400."""
        body, _ = self.body(upstream, reasoning={"effort": "high"})
        assert (body["reasoning_effort"], "thinking" in body) == ("high", False)
        body, _ = self.body(upstream, reasoning={"effort": "none"})
        assert (body["thinking"], "reasoning_effort" in body) == ({"type": "disabled"}, False)
