"""Ollama: `reasoning`, calls whole in one chunk and all at index 0, no tool choice."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

ONE, TWO = tool_call("call_5yk2"), tool_call("call_9xq7", '{"city":"Bergen"}')
USAGE = {"prompt_tokens": 26, "completion_tokens": 11, "total_tokens": 37}


class TestOllama(VendorStage):
    profile = "ollama"
    transcript = rb"""
{"id":"chatcmpl-862","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Two "},"finish_reason":null}]}
{"id":"chatcmpl-862","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"places."},"finish_reason":null}]}
{"id":"chatcmpl-862","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_5yk2","index":0,"type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}}]},"finish_reason":null}]}
{"id":"chatcmpl-862","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_9xq7","index":0,"type":"function","function":{"name":"weather","arguments":"{\"city\":\"Bergen\"}"}}]},"finish_reason":null}]}
{"id":"chatcmpl-862","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"tool_calls"}]}
{"id":"chatcmpl-862","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[],"usage":{"prompt_tokens":26,"completion_tokens":11,"total_tokens":37}}
[DONE]
"""
    completion = whole(
        {"content": "", "reasoning": "Two places.", "tool_calls": [ONE, TWO]}, USAGE, "tool_calls"
    )
    expected_output = [
        ("reasoning", "Two places."),
        ("call", "weather", '{"city":"Oslo"}'),
        ("call", "weather", '{"city":"Bergen"}'),
    ]
    usage = (26, 0, 11, 0)
    echoed = {"role": "assistant", "content": None, "reasoning": "Two places.", "tool_calls": [ONE, TWO]}

    def test_a_choice_it_would_not_hear_is_told(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, tool_choice="required", parallel_tool_calls=False)
        assert ("tool_choice" in body, "parallel_tool_calls" in body) == (False, False)
        assert lost == ["tool_choice", "parallel_tool_calls"]
        body, lost = self.body(upstream, tool_choice="none")
        assert ("tools" in body, lost) == (False, [])

    def test_none_is_one_of_its_efforts(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, reasoning={"effort": "none"})
        assert (body["reasoning_effort"], lost) == ("none", [])
