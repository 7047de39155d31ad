"""DeepSeek: `reasoning_content` that must come back with tool calls; cache counts under names of its own."""
# ruff: noqa: E501, RUF012

from typing import Any

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("call_00_x")
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_cache_hit_tokens": 64,
    "prompt_cache_miss_tokens": 56,
    "completion_tokens_details": {"reasoning_tokens": 12},
}


class TestDeepSeek(VendorStage):
    profile = "deepseek"
    transcript = rb"""
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"They ask "},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"about Oslo."},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"content":"I look.","reasoning_content":null},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_00_x","type":"function","function":{"name":"weather","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Oslo\"}"}}]},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"d1","object":"chat.completion.chunk","model":"deepseek-v4-pro","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":120,"completion_tokens":30,"total_tokens":150,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":56,"completion_tokens_details":{"reasoning_tokens":12}}}
[DONE]
"""
    completion = whole(
        {"content": "I look.", "reasoning_content": "They ask about Oslo.", "tool_calls": [CALL]},
        USAGE,
        "tool_calls",
    )
    expected_output = [
        ("reasoning", "They ask about Oslo."),
        ("text", "I look."),
        ("call", "weather", '{"city":"Oslo"}'),
    ]
    usage = (120, 64, 30, 12)
    echoed = {
        "role": "assistant",
        "content": "I look.",
        "reasoning_content": "They ask about Oslo.",
        "tool_calls": [CALL],
    }

    def test_row_3_reasoning_without_a_call_stays_here_and_an_empty_one_is_never_made(
        self, upstream: Asking
    ) -> None:
        """DeepSeek ignores reasoning without a call, and refuses empty reasoning."""
        thought: Any = {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
        }
        answer = {"type": "message", "role": "assistant", "content": "Hi."}
        body, lost = self.body(upstream, thought, answer)
        assert (body["messages"][1], lost) == ({"role": "assistant", "content": "Hi."}, [])
        call = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c", "output": "rain"}
        body, lost = self.body(upstream, {**thought, "summary": []}, call, output)
        assert "reasoning_content" not in body["messages"][1]

    def test_the_request_is_in_its_words(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, max_output_tokens=50, reasoning={"effort": "xhigh"})
        assert (body["max_tokens"], body["reasoning_effort"]) == (50, "high")
        assert (body["thinking"], lost) == ({"type": "enabled"}, ["reasoning.effort"])
        assert "strict" not in body["tools"][0]["function"]
        body, lost = self.body(upstream, reasoning={"effort": "none"})
        assert (body["thinking"], "reasoning_effort" in body) == ({"type": "disabled"}, False)

    def test_a_forced_choice_is_kept_where_thinking_is_off(self, upstream: Asking) -> None:
        choice: Any = {"type": "function", "name": "weather"}
        for fields in ({}, {"reasoning": {"effort": "high"}}, {"thinking": {"type": "enabled"}}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert "tool_choice" not in body
            assert "tool_choice" in lost
        for fields in ({"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
            assert "tool_choice" not in lost
