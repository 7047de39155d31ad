"""LM Studio: reasoning between tags in the text, and no `json_object`."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import TOOL, VendorStage, whole

USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}


class TestLmStudio(VendorStage):
    profile = "lmstudio"
    transcript = rb"""
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[{"index":0,"delta":{"role":"assistant","content":"<th"},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[{"index":0,"delta":{"content":"ink>\nNo tool "},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[{"index":0,"delta":{"content":"needed.</thi"},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[{"index":0,"delta":{"content":"nk>\n\nIt r"},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[{"index":0,"delta":{"content":"ains."},"logprobs":null,"finish_reason":null}]}
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}
{"id":"chatcmpl-u","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"qwen3","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21}}
[DONE]
"""
    completion = whole({"content": "<think>\nNo tool needed.</think>\n\nIt rains."}, USAGE, stats={})
    expected_output = [("reasoning", "No tool needed."), ("text", "It rains.")]
    usage = (12, 0, 9, 0)
    echoed = {"role": "assistant", "content": "It rains."}

    def test_a_named_tool_is_the_only_one_and_required(self, upstream: Asking) -> None:
        """An object in `tool_choice` is a 400."""
        body, lost = self.body(upstream, tools=[TOOL], tool_choice={"type": "function", "name": "weather"})
        assert (body["tool_choice"], lost) == ("required", [])

    def test_json_mode_is_not_among_its_formats(self) -> None:
        assert self.quirks.response_formats == {"text", "json_schema"}
