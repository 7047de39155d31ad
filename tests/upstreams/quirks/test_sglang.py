"""SGLang: `reasoning_content`, nulls in every chunk, arguments in a chunk without an id."""
# ruff: noqa: RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("call_b1c2d3")


class TestSglang(VendorStage):
    profile = "sglang"
    transcript = rb"""
{"id":"a1","object":"chat.completion.chunk","created":1,"model":"default","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}
{"id":"a1","object":"chat.completion.chunk","created":1,"model":"default","choices":[{"index":0,"delta":{"role":null,"content":null,"reasoning_content":"Rain?","tool_calls":null},"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}
{"id":"a1","object":"chat.completion.chunk","created":1,"model":"default","choices":[{"index":0,"delta":{"role":null,"content":null,"reasoning_content":null,"tool_calls":[{"id":"call_b1c2d3","index":0,"type":"function","function":{"name":"weather","arguments":""}}]},"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}
{"id":"a1","object":"chat.completion.chunk","created":1,"model":"default","choices":[{"index":0,"delta":{"role":null,"content":null,"reasoning_content":null,"tool_calls":[{"id":null,"index":0,"type":"function","function":{"name":null,"arguments":"{\"city\":\"Oslo\"}"}}]},"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}
{"id":"a1","object":"chat.completion.chunk","created":1,"model":"default","choices":[{"index":0,"delta":{"role":null,"content":null,"reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":"tool_calls","matched_stop":null}],"usage":null}
{"id":"a1","object":"chat.completion.chunk","created":1,"model":"default","choices":[],"usage":{"prompt_tokens":30,"total_tokens":45,"completion_tokens":15,"prompt_tokens_details":null,"reasoning_tokens":0}}
[DONE]
"""
    completion = whole(
        {"content": None, "reasoning_content": "Rain?", "tool_calls": [{**CALL, "index": 0}]},
        {"prompt_tokens": 30, "total_tokens": 45, "completion_tokens": 15, "prompt_tokens_details": None},
        "tool_calls",
        metadata={"weight_version": "default"},
    )
    expected_output = [("reasoning", "Rain?"), ("call", "weather", '{"city":"Oslo"}')]
    usage = (30, 0, 15, 0)
    echoed = {"role": "assistant", "content": None, "reasoning_content": "Rain?", "tool_calls": [CALL]}

    def test_both_names_of_the_templates_switch_are_sent(self, upstream: Asking) -> None:
        """Qwen's templates read one name, DeepSeek's the other."""
        body, _ = self.body(upstream, reasoning={"effort": "none"})
        assert body["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False}
