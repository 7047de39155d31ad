"""llama.cpp's server: `reasoning_content`, timings in every chunk, the template decides about reasoning."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import TOOL, VendorStage, tool_call, whole

CALL = tool_call("yTzAHdkYcY7wGxTBN8hfBgCqFQ7TUoQd")
USAGE = {"completion_tokens": 22, "prompt_tokens": 50, "total_tokens": 72}


class TestLlamaCpp(VendorStage):
    profile = "llama.cpp"
    transcript = rb"""
{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk"}
{"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"Oslo, "}}],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk"}
{"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"then."}}],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk"}
{"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"id":"yTzAHdkYcY7wGxTBN8hfBgCqFQ7TUoQd","type":"function","function":{"name":"weather","arguments":"{"}}]}}],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk"}
{"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"city\":\"Oslo\"}"}}]}}],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk"}
{"choices":[{"finish_reason":"tool_calls","index":0,"delta":{}}],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk"}
{"choices":[],"created":1,"id":"chatcmpl-Zy","model":"gpt-oss","system_fingerprint":"b6900","object":"chat.completion.chunk","usage":{"completion_tokens":22,"prompt_tokens":50,"total_tokens":72},"timings":{"cache_n":0,"prompt_n":50,"prompt_ms":210.5,"predicted_n":22}}
[DONE]
"""
    completion = whole(
        {"reasoning_content": "Oslo, then.", "content": None, "tool_calls": [CALL]},
        USAGE,
        "tool_calls",
        timings={"prompt_n": 50},
    )
    expected_output = [("reasoning", "Oslo, then."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (50, 0, 22, 0)
    echoed = {"role": "assistant", "content": None, "reasoning_content": "Oslo, then.", "tool_calls": [CALL]}

    def test_the_template_is_told_the_effort(self, upstream: Asking) -> None:
        body, _ = self.body(upstream, reasoning={"effort": "low"})
        assert body["chat_template_kwargs"] == {"reasoning_effort": "low", "enable_thinking": True}
        assert "reasoning_effort" not in body
        body, _ = self.body(upstream, reasoning={"effort": "none"})
        assert body["chat_template_kwargs"] == {"enable_thinking": False}

    def test_a_named_tool_is_the_only_one_and_required(self, upstream: Asking) -> None:
        """llama.cpp would treat the name as `auto`."""
        tools = [TOOL, {**TOOL, "name": "news"}]
        body, lost = self.body(upstream, tools=tools, tool_choice={"type": "function", "name": "news"})
        assert [tool["function"]["name"] for tool in body["tools"]] == ["news"]
        assert (body["tool_choice"], lost) == ("required", [])
