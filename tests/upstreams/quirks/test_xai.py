"""xAI: reasoning tokens are not among `completion_tokens`."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.vendor_answer import VendorStage, whole

USAGE = {
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
    "num_sources_used": 0,
}


class TestXai(VendorStage):
    profile = "xai"
    transcript = rb"""
{"id":"x1","object":"chat.completion.chunk","created":1,"model":"grok-4","choices":[{"index":0,"delta":{"reasoning_content":"Hm. ","role":"assistant"}}],"system_fingerprint":"fp_1"}
{"id":"x1","object":"chat.completion.chunk","created":1,"model":"grok-4","choices":[{"index":0,"delta":{"reasoning_content":"So."}}],"system_fingerprint":"fp_1"}
{"id":"x1","object":"chat.completion.chunk","created":1,"model":"grok-4","choices":[{"index":0,"delta":{"content":"Rain."}}],"system_fingerprint":"fp_1"}
{"id":"x1","object":"chat.completion.chunk","created":1,"model":"grok-4","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"system_fingerprint":"fp_1"}
{"id":"x1","object":"chat.completion.chunk","created":1,"model":"grok-4","choices":[],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"audio_tokens":0,"image_tokens":0,"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":94,"audio_tokens":0},"num_sources_used":0},"system_fingerprint":"fp_1"}
[DONE]
"""
    completion = whole({"content": "Rain.", "reasoning_content": "Hm. So.", "refusal": None}, USAGE)
    expected_output = [("reasoning", "Hm. So."), ("text", "Rain.")]
    usage = (32, 8, 103, 94)
    echoed = {"role": "assistant", "content": "Rain."}
