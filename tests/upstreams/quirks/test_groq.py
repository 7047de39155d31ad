"""Groq: usage in `x_groq`, reasoning in a field or between tags; `reasoning_content` is refused."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("fc_7a1e")
USAGE = {"queue_time": 0.03, "prompt_tokens": 60, "completion_tokens": 14, "total_tokens": 74}


class TestGroq(VendorStage):
    profile = "groq"
    transcript = rb"""
{"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"openai/gpt-oss-120b","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":null},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_1"}}
{"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"openai/gpt-oss-120b","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"reasoning":"Need ","channel":"analysis"},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"openai/gpt-oss-120b","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"reasoning":"the tool.","channel":"analysis"},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"openai/gpt-oss-120b","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"tool_calls":[{"id":"fc_7a1e","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"},"index":0}]},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"openai/gpt-oss-120b","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.03,"prompt_tokens":60,"completion_tokens":14,"total_tokens":74}}}
[DONE]
"""
    completion = whole(
        {"reasoning": "Need the tool.", "tool_calls": [CALL]},
        USAGE,
        "tool_calls",
        usage_breakdown=None,
        x_groq={"id": "req_1"},
    )
    expected_output = [("reasoning", "Need the tool."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (60, 0, 14, 0)
    echoed = {"role": "assistant", "content": None, "reasoning": "Need the tool.", "tool_calls": [CALL]}

    def test_its_raw_format_is_split(self) -> None:
        raw = b'{"choices":[{"index":0,"delta":{"content":"<think>Hm.</think>Yes."},"finish_reason":"stop"}]}'
        output = self.streamed(b"data: %b\n\ndata: [DONE]\n\n" % raw)["output"]
        assert [item["type"] for item in output] == ["reasoning", "message"]

    def test_what_it_refuses_is_dropped_and_told(self, upstream: Asking) -> None:
        named = {"type": "message", "role": "user", "content": "Hi", "name": "ann"}
        body, lost = self.body(
            upstream,
            named,
            prompt_cache_key="k",
            include=["message.output_text.logprobs"],
            top_logprobs=2,
            text={"verbosity": "low"},
        )
        assert set(lost) == {
            "prompt_cache_key",
            "top_logprobs",
            "logprobs",
            "text.verbosity",
            "input[1].name",
        }
        assert body["messages"][-1] == {"role": "user", "content": "Hi"}
