"""Qwen (DashScope): `enable_thinking`, one system message at the head, usage in a chunk of its own."""
# ruff: noqa: E501, RUF012

from chat2response.upstreams.base import Upstream
from tests.upstreams.quirks.vendor import VendorStage, whole

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
    said = [("reasoning", "Autumn there."), ("text", "Rain.")]
    usage = (10, 0, 7, 4)
    echoed = {"role": "assistant", "content": "Rain."}

    def test_all_instructions_become_the_first_message(self, upstream: Upstream) -> None:
        late = {"type": "message", "role": "developer", "content": "Be brief."}
        body, lost = self.body(upstream, late, instructions="Help.")
        assert body["messages"][0] == {"role": "system", "content": "Help.\n\nBe brief."}
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert lost == ["input[1]"]

    def test_reasoning_is_a_switch(self, upstream: Upstream) -> None:
        body, lost = self.body(upstream, reasoning={"effort": "high"})
        assert (body["enable_thinking"], lost) == (True, ["reasoning.effort"])
        assert "reasoning_effort" not in body
        body, lost = self.body(upstream, reasoning={"effort": "none"})
        assert (body["enable_thinking"], lost) == (False, [])
