"""OpenAI's Chat Completions: parts stay parts, the developer role stays, reasoning is not echoed."""
# ruff: noqa: RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("call_Zx1")
USAGE = {
    "prompt_tokens": 80,
    "completion_tokens": 30,
    "total_tokens": 110,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 0},
}


class TestOpenAi(VendorStage):
    profile = "openai"
    transcript = rb"""
{"id":"chatcmpl-o","object":"chat.completion.chunk","created":1,"model":"gpt-5.5","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_Zx1","type":"function","function":{"name":"weather","arguments":""}}],"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}
{"id":"chatcmpl-o","object":"chat.completion.chunk","created":1,"model":"gpt-5.5","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"Oslo\"}"}}]},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"yz"}
{"id":"chatcmpl-o","object":"chat.completion.chunk","created":1,"model":"gpt-5.5","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null,"obfuscation":"w"}
{"id":"chatcmpl-o","object":"chat.completion.chunk","created":1,"model":"gpt-5.5","service_tier":"default","system_fingerprint":null,"choices":[],"usage":{"prompt_tokens":80,"completion_tokens":30,"total_tokens":110,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":10,"audio_tokens":0}},"obfuscation":""}
[DONE]
"""
    completion = whole(
        {"content": None, "refusal": None, "annotations": [], "tool_calls": [CALL]},
        USAGE,
        "tool_calls",
        service_tier="default",
    )
    expected_output = [("call", "weather", '{"city":"Oslo"}')]
    usage = (80, 64, 30, 10)
    echoed = {"role": "assistant", "content": None, "tool_calls": [CALL]}

    def test_parts_and_roles_stay_what_they_are(self, upstream: Asking) -> None:
        parts = [{"type": "input_text", "text": each} for each in ("a", "b")]
        developer = {"type": "message", "role": "developer", "content": parts}
        body, lost = self.body(upstream, developer, max_output_tokens=9, reasoning={"effort": "xhigh"})
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        assert body["messages"][-1] == {"role": "developer", "content": parts}
        assert (body["max_completion_tokens"], body["reasoning_effort"], lost) == (9, "xhigh", [])

    def test_reasoning_is_not_sent_to_it(self, upstream: Asking) -> None:
        """OpenAI answers 400 to unknown fields of a message."""
        shown = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
        call = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c", "output": "rain"}
        body, _ = self.body(upstream, shown, call, output)
        assert set(body["messages"][1]) == {"role", "content", "tool_calls"}
